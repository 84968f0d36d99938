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

module.exports = { isAlive, stat, until };
