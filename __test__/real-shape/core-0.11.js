/* eslint-disable no-undef, no-unused-vars */
'use strict';
// Core of a connectors package in the style of 0.11: everything is synchronous, by globals that
// the package does not declare (deasync, request, AdmZip).

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

  isInProgress() {
    this.say('isInProgress', { status: 'in_progress' });
    return false;
  }

  addWarningToCurrentStatus() {
    this.say('addWarningToCurrentStatus', { status: 'warning' });
  }

  logMessage(message) {
    this.say('log', { message });
  }
}

class AsyncUtils {
  /** The value of a promise, waited for on the spot. */
  static wait(promise) {
    let settled;
    promise.then(
      (value) => {
        settled = { value };
      },
      (error) => {
        settled = { error };
      },
    );
    deasync.loopWhile(() => !settled);
    if (settled.error) throw settled.error;
    return settled.value;
  }

  static delay(ms) {
    AsyncUtils.wait(new Promise((resolve) => setTimeout(resolve, ms)));
  }
}

class HttpUtils {
  static fetch(url, { method = 'GET', headers, json } = {}) {
    const response = request(method, url, { headers, json });
    return {
      getResponseCode: () => response.statusCode,
      getContent: () => response.getBody(),
      getContentText: () => response.getBody('utf8'),
    };
  }
}

class FileUtils {
  static unzip(buffer) {
    return new AdmZip(buffer)
      .getEntries()
      .map((entry) => ({ name: entry.entryName, text: entry.getData().toString('utf8') }));
  }
}

class AbstractConnector {
  constructor(config, source, storageName = 'GoogleBigQueryStorage', runConfig = null) {
    this.config = config.mergeParameters({
      StartDate: { requiredType: 'date' },
      EndDate: { requiredType: 'date' },
      LastRequestedDate: { requiredType: 'date' },
      ReimportLookbackWindow: { requiredType: 'number', isRequired: true, default: 1 },
    });
    Object.assign(this, { source, storageName, runConfig });
  }

  run() {
    try {
      for (const { configField, value } of this.runConfig.data)
        this.config[configField] = { value };
      this.config.validate();
      if (this.config.isInProgress()) return;
      this.config.handleStatusUpdate({ status: EXECUTION_STATUS.IMPORT_IN_PROGRESS });
      this.startImportProcess();
      this.config.handleStatusUpdate({ status: EXECUTION_STATUS.IMPORT_DONE });
    } catch (error) {
      this.config.handleStatusUpdate({ status: EXECUTION_STATUS.ERROR, error: error.message });
      throw error;
    }
  }

  /** First and last day to ask for. */
  range() {
    const { StartDate, EndDate, LastRequestedDate, ReimportLookbackWindow } = this.config;
    const last = LastRequestedDate.value && Date.parse(LastRequestedDate.value);
    const start = last
      ? last - ReimportLookbackWindow.value * DAY_MS
      : Date.parse(StartDate.value ?? '2026-01-01');
    return [start, Date.parse(EndDate.value ?? '2026-01-03')];
  }

  startImportProcess() {
    const storage = new globalThis[this.storageName](
      this.config,
      this.source.uniqueKeys,
      this.source.fieldsSchema,
    );
    const [start, end] = this.range();
    for (let day = start; day <= end; day += DAY_MS) {
      const date = new Date(day);
      const records = this.source.fetchData(date.toISOString().slice(0, 10));
      if (records.length > 0) storage.saveData(records);
      this.config.logMessage(`${records.length} records were fetched`);
      this.config.updateLastRequstedDate(date);
    }
    this.config.updateLastImportDate();
  }
}
