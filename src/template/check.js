// Follows main.js where source and storage only say whether a run could begin. Function declarations
// alone: main.js has started when the rest of this would be evaluated.

/** Asks those that can say so, one after the other, and prints one line for each. */
async function prove(config, subjects) {
  for (const [kind, name, Class] of subjects) {
    let outcome;
    try {
      outcome = await ask(Class, config);
    } catch (error) {
      outcome = problem(error);
    }
    const line = JSON.stringify({ type: 'connection', kind, name, ...outcome });
    await new Promise((resolve) => process.stdout.write(`${line}\n`, resolve));
  }
  process.exit(0); // a client that was given up may hold the process
}

/** A class without `check`, as those of 0.11, is not even constructed: that may connect. */
async function ask(Class, config) {
  if (typeof Class?.prototype?.check !== 'function') return { status: 'notAsked' };
  const seconds = 60;
  let timer;
  const late = new Promise((_, reject) => {
    const error = Object.assign(new Error(`no answer within ${seconds} s`), { code: 'ETIMEDOUT' });
    timer = setTimeout(reject, seconds * 1000, error);
  });
  try {
    const said = await Promise.race([new Class(config).check(), late]);
    if (said === null || said === undefined) return { status: 'notAsked' };
    return { status: 'ok', message: String(said) };
  } finally {
    clearTimeout(timer);
  }
}

/** What is known of an error: of clients' the codes and status, however they are called. */
function problem(error) {
  const causes = [];
  for (let at = error; at !== null && typeof at === 'object' && causes.length < 5; at = at.cause) {
    causes.push(at);
  }
  const first = (read) => causes.map(read).find((value) => value !== undefined && value !== null);
  const httpStatus = first(
    (one) => one.status ?? one.statusCode ?? one.$metadata?.httpStatusCode ?? one.response?.status,
  );
  return {
    status: 'failed',
    message: typeof error?.message === 'string' ? error.message : inspect(error),
    isExpected: isExpected(error),
    codes: causes
      .map((one) => one.code ?? one.name)
      .filter((code) => code !== undefined)
      .map(String),
    httpStatus: Number(httpStatus) || null,
  };
}
