'use strict';

const { setTimeout: pause } = require('node:timers/promises');
const { ConnectorError } = require('../../Core/errors');

/** Athena takes no longer query; it counts them as UTF-8. */
const MOST_QUERY_BYTES = 262_144;

const ATTEMPTS = 5;
const FIRST_POLL_MS = 100;
const SLOWEST_POLL_MS = 5000;
const TRANSIENT =
  /throttl|slow ?down|rate exceeded|exhausted resources|internal error|commit_error/i;

/** A query that Athena took and that failed there. */
class QueryFailed extends Error {
  name = 'QueryFailed';
}

/** Runs queries to their end: Athena only starts them. */
class Athena {
  #client;
  #commands;
  #outputLocation;
  #workGroup;
  #wait;

  /**
   * @param {import('@aws-sdk/client-athena').AthenaClient} client
   * @param {object} commands the module @aws-sdk/client-athena
   * @param {object} options
   * @param {string | null} options.outputLocation
   * @param {string | null} [options.workGroup] Athena's `primary` by default
   * @param {(ms: number, reason: string) => Promise<void>} [options.wait] as the config's
   */
  constructor(client, commands, { outputLocation, workGroup = null, wait = pause }) {
    this.#client = client;
    this.#commands = commands;
    this.#outputLocation = outputLocation;
    this.#workGroup = workGroup;
    this.#wait = wait;
  }

  /** @returns {boolean} whether a query is short enough */
  takes(query) {
    return Buffer.byteLength(query) <= MOST_QUERY_BYTES;
  }

  /** @throws {ConnectorError} where it is not */
  refuseLong(query) {
    if (this.takes(query)) return;
    const bytes = Buffer.byteLength(query).toLocaleString('en-US');
    const most = MOST_QUERY_BYTES.toLocaleString('en-US');
    const error = new ConnectorError(
      `The table has so many columns, with such long names, that a query would have ${bytes} bytes, of ` +
        `which Athena takes ${most}: load fewer of them (Fields), or give them shorter names`,
    );
    throw Object.assign(error, { code: 'QUERY_TOO_LONG' });
  }

  /** @returns {Promise<void>} @throws {QueryFailed} */
  async run(query) {
    await this.#succeed(query);
  }

  /** @returns {Promise<(string | null)[][]>} the result's rows */
  async rows(query) {
    const { GetQueryResultsCommand } = this.#commands;
    const id = await this.#succeed(query);
    const rows = [];
    let token;
    do {
      const page = await this.#client.send(
        new GetQueryResultsCommand({ QueryExecutionId: id, NextToken: token }),
      );
      rows.push(...page.ResultSet.Rows);
      token = page.NextToken;
    } while (token);
    // The first row of a result is its header.
    return rows.slice(1).map(({ Data }) => Data.map((cell) => cell.VarCharValue ?? null));
  }

  destroy() {
    this.#client.destroy();
  }

  async #succeed(query) {
    for (let attempt = 1; ; attempt += 1) {
      const { id, state, reason, mayPass } = await this.#execute(query);
      if (state === 'SUCCEEDED') return id;
      if (!mayPass || attempt === ATTEMPTS) {
        throw new QueryFailed(`query ${state.toLowerCase()}: ${reason}`);
      }
      const ms = 1000 * 2 ** attempt * (0.5 + Math.random() / 2);
      await this.#wait(ms, `a query of Athena's is run again: ${reason}`);
    }
  }

  async #execute(query) {
    const { GetQueryExecutionCommand, StartQueryExecutionCommand } = this.#commands;
    this.refuseLong(query);
    const OutputLocation = this.#outputLocation ?? undefined;
    const started = await this.#client.send(
      new StartQueryExecutionCommand({
        QueryString: query,
        ResultConfiguration: OutputLocation && { OutputLocation },
        WorkGroup: this.#workGroup ?? undefined,
      }),
    );
    const id = started.QueryExecutionId;
    for (let wait = FIRST_POLL_MS; ; wait = Math.min(wait * 1.5, SLOWEST_POLL_MS)) {
      const { QueryExecution } = await this.#client.send(
        new GetQueryExecutionCommand({ QueryExecutionId: id }),
      );
      const { State: state, StateChangeReason, AthenaError } = QueryExecution.Status;
      if (!['QUEUED', 'RUNNING'].includes(state)) {
        const reason = StateChangeReason ?? AthenaError?.ErrorMessage ?? 'Athena gives no reason';
        const mayPass = state === 'FAILED' && (AthenaError?.Retryable || TRANSIENT.test(reason));
        return { id, state, reason, mayPass };
      }
      await this.#wait(wait, `Athena has the query as ${state}`);
    }
  }
}

module.exports = { Athena, QueryFailed };
