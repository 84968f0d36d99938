'use strict';
// A fresh process for one measurement; see lib/fork.js.

const path = require('node:path');

process.once('disconnect', () => process.exit(1)); // who asked is gone

process.once('message', async ({ module, name, input }) => {
  let answer;
  try {
    const { cases } = require(path.join(__dirname, 'rows', module));
    answer = { value: await cases[name](input) };
  } catch (error) {
    answer = { error: error.hint ? `${error.stack}\n${error.hint}` : error.stack };
  }
  process.send(answer, () => process.exit(0));
});
