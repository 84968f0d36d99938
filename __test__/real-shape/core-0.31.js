/* eslint-disable no-undef, no-unused-vars */
'use strict';
// Core of a connectors package in the style of 0.31: promises, and more kinds of messages.

class NodeJsConfig extends AbstractConfig {
  constructor(config) {
    super({ ...config.source.config, ...config.storage.config });
    this.sourceName = { value: config.source.name };
    this.storageName = { value: config.storage.name };
  }

  getSourceName() {
    return this.sourceName.value;
  }

  getStorageName() {
    return this.storageName.value;
  }

  say(type, fields) {
    const at = new Date().toISOString().slice(0, 19).replace('T', ' ');
    console.log(JSON.stringify({ type, at, ...fields }));
  }

  handleStatusUpdate({ status }) {
    this.say('updateCurrentStatus', { status });
  }

  updateLastImportDate() {
    this.say('updateLastImportDate', { date: new Date().toISOString().slice(0, 10) });
  }

  updateLastRequstedDate(date) {
    this.say('updateLastRequstedDate', { date });
  }

  updateCredentials(credentials) {
    this.say('updateCredentials', { credentials });
  }

  updateFields(fields) {
    this.say('updateFields', { fields });
  }

  isInProgress() {
    this.say('isInProgress', { status: 'in_progress' });
    return false;
  }

  addWarningToCurrentStatus(warning = 'Completed with warnings') {
    this.say('addWarningToCurrentStatus', { warning });
  }

  logMessage(message) {
    this.say('log', { message });
  }
}

class HttpUtils {
  static async fetch(url, { method = 'GET', headers = {}, json } = {}) {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const response = await fetch(url, { method, headers, body });
    return {
      getResponseCode: () => response.status,
      getAsJson: () => response.json(),
      getBlob: async () => Buffer.from(await response.arrayBuffer()),
    };
  }
}

class AsyncUtils {
  static delay(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

class FileUtils {
  /** The package declares this one. */
  static unzip(buffer) {
    const AdmZip = require('adm-zip');
    return new AdmZip(buffer)
      .getEntries()
      .map((entry) => ({ name: entry.entryName, text: entry.getData().toString('utf8') }));
  }
}

class OAuthUtils {
  static async refreshed(config, url, token) {
    const response = await HttpUtils.fetch(url, { method: 'POST', json: { token } });
    const { access_token: AccessToken, refresh_token: RefreshToken } = await response.getAsJson();
    config.updateCredentials({ AccessToken, RefreshToken });
    return AccessToken;
  }
}

class AbstractConnector {
  constructor(config, source, storageName = 'GoogleBigQueryStorage', runConfig = null) {
    this.config = config.mergeParameters({
      StartDate: { requiredType: 'date', label: 'Start Date', attributes: ['MANUAL_BACKFILL'] },
      EndDate: { requiredType: 'date', attributes: ['MANUAL_BACKFILL', 'HIDE_IN_CONFIG_FORM'] },
      LastRequestedDate: { requiredType: 'date', attributes: ['HIDE_IN_CONFIG_FORM'] },
      ReimportLookbackWindow: {
        requiredType: 'number',
        isRequired: true,
        default: 1,
        attributes: ['ADVANCED'],
      },
    });
    Object.assign(this, { source, storageName, runConfig });
  }

  async run() {
    try {
      for (const { configField, value } of this.runConfig.data)
        this.config[configField] = { value };
      this.config.validate();
      if (this.config.isInProgress()) return;
      this.config.handleStatusUpdate({ status: EXECUTION_STATUS.IMPORT_IN_PROGRESS });
      await this.startImportProcess();
      this.config.handleStatusUpdate({ status: EXECUTION_STATUS.IMPORT_DONE });
    } catch (error) {
      this.config.say('error', { error: error.message });
      this.config.handleStatusUpdate({ status: EXECUTION_STATUS.ERROR, error: error.message });
      throw error;
    }
  }

  /** Each kind of record has a table of its own, which the connector names. */
  async storageOf(node) {
    this.config.mergeParameters({ DestinationTableName: { value: `owox_${node}` } });
    const { uniqueKeys, fieldsSchema } = this.source;
    const storage = new globalThis[this.storageName](this.config, uniqueKeys, fieldsSchema);
    await storage.init();
    return storage;
  }

  async startImportProcess() {
    const { StartDate, EndDate, LastRequestedDate, ReimportLookbackWindow } = this.config;
    const last = LastRequestedDate.value && Date.parse(LastRequestedDate.value);
    const start = last
      ? last - ReimportLookbackWindow.value * DAY_MS
      : Date.parse(StartDate.value ?? '2026-01-01');
    const end = Date.parse(EndDate.value ?? '2026-01-03');
    const storage = await this.storageOf('rates');
    for (let day = start; day <= end; day += DAY_MS) {
      const date = new Date(day);
      const records = await this.source.fetchData(date.toISOString().slice(0, 10));
      if (records.length > 0) await storage.saveData(records);
      this.config.logMessage(`${records.length} records were fetched`);
      this.config.updateLastRequstedDate(date);
    }
    this.config.updateLastImportDate();
  }
}
