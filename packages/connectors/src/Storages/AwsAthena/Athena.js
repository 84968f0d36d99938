'use strict';

const { setTimeout: pause } = require('node:timers/promises');

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
  #wait;

  /**
   * @param {import('@aws-sdk/client-athena').AthenaClient} client
   * @param {object} commands the module @aws-sdk/client-athena
   * @param {string | null} outputLocation
   * @param {(ms: number, reason: string) => Promise<void>} [wait] as the config's
   */
  constructor(client, commands, outputLocation, wait = pause) {
    this.#client = client;
    this.#commands = commands;
    this.#outputLocation = outputLocation;
    this.#wait = wait;
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
    const OutputLocation = this.#outputLocation ?? undefined;
    const started = await this.#client.send(
      new StartQueryExecutionCommand({
        QueryString: query,
        ResultConfiguration: OutputLocation && { OutputLocation },
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

module.exports = { Athena };
