'use strict';
// Runs development tools one after another, and names the one that is missing and its remedy.

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

/** Runs a program with this terminal; its exit code, 1 for one that was killed or not found. */
function run(command, args, env = process.env) {
  console.log(`> ${[path.basename(command), ...args].join(' ')}`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  if (error) console.error(`${command} cannot be started: ${error.message}`);
  return status ?? 1;
}

function missing(name, remedy) {
  console.error(`${name} is not installed. Install it, then try again: ${remedy}`);
  return 1;
}

/** A step that runs `cargo SUBCOMMAND …`. */
function cargo(subcommand, args, remedy) {
  return () => {
    const probe = spawnSync('cargo', [subcommand, '--version'], { cwd: root, stdio: 'ignore' });
    if (probe.error) return missing('Rust (cargo)', 'see rustup, the Rust installer');
    if (probe.status !== 0) return missing(`cargo ${subcommand}`, remedy);
    return run('cargo', [subcommand, ...args]);
  };
}

/** A step that runs the program of a development dependency, under this very Node. */
function nodeTool(name, args) {
  return () => {
    // not require.resolve: many packages do not export their package.json
    const manifest = path.join(root, 'node_modules', name, 'package.json');
    if (!existsSync(manifest)) return missing(name, 'npm install --include=dev');
    const { bin } = require(manifest);
    const file = typeof bin === 'string' ? bin : (bin[name] ?? Object.values(bin)[0]);
    const program = path.join(path.dirname(manifest), file);
    console.log(`> ${name} ${args.join(' ')}`);
    return spawnSync(process.execPath, [program, ...args], { cwd: root, stdio: 'inherit' }).status;
  };
}

/** Takes every step, also after one that failed, so that one call shows all there is to mend. */
function takeAll(steps) {
  const failed = steps.map((step) => step()).filter((status) => status !== 0);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

module.exports = { cargo, nodeTool, root, run, takeAll };
