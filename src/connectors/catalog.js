'use strict';
// Lists what a connectors package has, in a process of its own: the host never loads it.
// Arguments: the package's folder. The answer goes to descriptor 3, since a package may print.

const { writeSync } = require('node:fs');

function answer(content) {
  const bytes = Buffer.from(JSON.stringify(content));
  for (let sent = 0; sent < bytes.length;) {
    sent += writeSync(3, bytes, sent);
  }
}

function manifestOf(group) {
  const manifest = group?.manifest;
  return manifest !== null && typeof manifest === 'object' ? manifest : null;
}

try {
  // with the slash a file of the same name beside the folder, such as its .json, is not meant
  const { Connectors, Storages } = require(`${process.argv[1]}/`);
  const describe = (groups) =>
    Object.fromEntries(
      Object.entries(groups ?? {}).map(([name, group]) => [name, manifestOf(group)]),
    );
  answer({ sources: describe(Connectors), storages: describe(Storages) });
} catch (error) {
  answer({ error: String(error?.message ?? error) });
}
process.exit(0);
