'use strict';
// What processes use, as the kernel tells it.

const fs = require('node:fs');

/** Process ids of this process and all below it. */
function tree() {
  const children = new Map();
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const parent = statusOf(pid)?.match(/^PPid:\s+(\d+)/m)?.[1];
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const all = [String(process.pid)];
  for (const pid of all) all.push(...(children.get(pid) ?? []));
  return all;
}

function statusOf(pid, file = 'status') {
  try {
    return fs.readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // it has ended
  }
}

/** What processes have used: milliseconds of CPU, kB of memory of their own. */
function usage(pids) {
  let [cpu, memory] = [0, 0];
  for (const pid of pids) {
    for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
      const spent = statusOf(pid, `task/${task}/schedstat`);
      cpu += Number(spent?.split(' ')[0] ?? 0) / 1e6;
    }
    memory += Number(statusOf(pid, 'smaps_rollup')?.match(/^Pss:\s+(\d+)/m)?.[1] ?? 0);
  }
  return { cpu, memory };
}

module.exports = { statusOf, tree, usage };
