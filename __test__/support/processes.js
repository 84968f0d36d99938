'use strict';

const fs = require('node:fs');
const { setTimeout: pause } = require('node:timers/promises');

/** Fields of /proc/PID/stat, or undefined where there is no such process (a zombie counts as none). */
function stat(pid) {
  let text;
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // the name is in parentheses and may hold anything
  const [state, parent, group, session] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  return { state, parent: Number(parent), group: Number(group), session: Number(session) };
}

function isAlive(pid) {
  return stat(pid) !== undefined;
}

/**
 * The processes that have this variable (`NAME=value`) from their start: how those of a run are
 * found, which have other ids where they live. A zombie has no variables any more.
 */
function processesWith(variable) {
  return fs
    .readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!pid || pid === process.pid) return false;
      try {
        return fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable);
      } catch {
        return false; // gone meanwhile
      }
    });
}

/** A variable for the processes of one test; whoever has it is killed after the test. */
function mark(t, name = 'TEST_MARK') {
  const value = `${process.pid}-${Math.random().toString(36).slice(2)}`;
  const variable = `${name}=${value}`;
  const kill = () => {
    for (const pid of processesWith(variable)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone meanwhile
      }
    }
  };
  t.after(kill);
  return { variables: { [name]: value }, processes: () => processesWith(variable) };
}

/** Polls until `check` gives something truthy, at most 10 s. */
async function until(check, what, limit = 10_000) {
  const deadline = Date.now() + limit;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${limit} ms: ${what}`);
    await pause(10);
  }
}

module.exports = { isAlive, mark, processesWith, stat, until };
