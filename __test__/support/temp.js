'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** A temporary folder that is gone after the test or suite `t` (or `{ after }` of node:test). */
function tempFolder(t) {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'runner-test-')));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files (path → text, or a value that becomes JSON) below a folder, and gives the folder. */
function writeFiles(folder, files) {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(
      file,
      typeof content === 'string' ? content : JSON.stringify(content, null, 2),
    );
  }
  return folder;
}

/** A folder with this `main.js`, for `executeConnector`. */
function scriptFolder(t, script) {
  return writeFiles(tempFolder(t), { 'main.js': script });
}

module.exports = { scriptFolder, tempFolder, writeFiles };
