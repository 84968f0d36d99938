'use strict';
// Builds the addon, its supervisor helper and the addon that connectors wait with in release mode,
// with one cargo call and without any npm package, and puts them where js/native.js looks.
//   node scripts/build.js [--target-dir DIR]

const { spawn, spawnSync } = require('node:child_process');
const { chmodSync, copyFileSync, mkdirSync, rmSync } = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const root = path.join(__dirname, '..');

/** The name that js/native.js gives this platform. */
function platformName() {
  process.report.excludeNetwork = true;
  const { glibcVersionRuntime } = process.report.getReport().header;
  return `${process.platform}-${process.arch}-${glibcVersionRuntime ? 'gnu' : 'musl'}`;
}

function hasCargo() {
  return spawnSync('cargo', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Replaces a file that may be loaded or running: a new file, never new content in the old one. */
function install(from, to) {
  rmSync(to, { force: true });
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

async function build({ targetDir } = {}) {
  const args = ['build', '--release', '--locked', '--lib', '--bin', 'connector-supervisor'];
  args.push('--message-format=json-render-diagnostics');
  if (targetDir) args.push('--target-dir', targetDir);
  const cargo = spawn('cargo', args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const artifacts = {};
  for await (const line of readline.createInterface({ input: cargo.stdout })) {
    const message = JSON.parse(line);
    if (message.reason !== 'compiler-artifact') continue;
    if (message.target.name === 'connector-supervisor') artifacts.supervisor = message.executable;
    const library = message.filenames.find((name) => /\.(so|dylib)$/.test(name));
    if (message.target.name === 'owox_connector_runner') artifacts.addon = library;
    if (message.target.name === 'connector_event_loop') artifacts.eventLoop = library;
  }
  const exitCode = cargo.exitCode ?? (await new Promise((resolve) => cargo.once('close', resolve)));
  const { addon, eventLoop, supervisor } = artifacts;
  if (exitCode !== 0 || !addon || !eventLoop || !supervisor) {
    throw new Error(`cargo build failed (exit code ${exitCode}); its messages are above`);
  }
  const platform = platformName();
  const folder = path.join(root, 'npm', platform);
  mkdirSync(folder, { recursive: true });
  install(addon, path.join(folder, `connector-runner.${platform}.node`));
  install(eventLoop, path.join(folder, 'event-loop.node'));
  install(supervisor, path.join(folder, 'connector-supervisor'));
  return folder;
}

module.exports = { build, hasCargo, root };

if (require.main === module) {
  const at = process.argv.indexOf('--target-dir');
  build({ targetDir: at > 0 ? process.argv[at + 1] : undefined }).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
