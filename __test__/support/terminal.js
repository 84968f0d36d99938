'use strict';
// The command line on a terminal, which a small program of the Rust tests provides.

const { spawn, spawnSync } = require('node:child_process');
const path = require('node:path');

const { ended, root } = require('./host');
const { mark, until } = require('./processes');

let built;

/** The program that opens a terminal. After the Rust tests it is there already. */
function terminalProgram() {
  if (built) return built;
  const args = ['build', '--locked', '--no-default-features', '--example', 'pty'];
  const { status, stdout, error } = spawnSync(
    'cargo',
    [...args, '--message-format=json-render-diagnostics'],
    { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (status !== 0) throw new Error(`cargo ${args.join(' ')} failed`, { cause: error });
  const messages = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  built = messages.find(
    ({ target, executable }) => target?.name === 'pty' && executable,
  ).executable;
  return built;
}

const CLEAR_LINE = '\r\u001b[2K';

/** Sequences that change colours. */
const COLOURS = new RegExp(String.raw`\u001b\[[\d;]*m`, 'g');

/** Text without colours. */
const plain = (text) => text.replace(COLOURS, '');

/** The lines that are left on a terminal: of each what was written after it was last cleared. */
function visible(text) {
  return text.split('\r\n').map((line) => line.split(CLEAR_LINE).at(-1));
}

/**
 * Starts the command on a terminal. `shown()` is all that it was sent, `press(keys)` types, and
 * `shows(pattern)` waits until what was sent matches.
 */
function onTerminal(t, args, { columns = 80, rows = 24, env = process.env, cwd = root } = {}) {
  const { variables, processes } = mark(t);
  const script = path.join(root, 'src', 'cli-wrapper.js');
  const { CI: _ci, NO_COLOR: _none, FORCE_COLOR: _force, ...others } = process.env;
  const child = spawn(
    terminalProgram(),
    [String(columns), String(rows), process.execPath, script, ...args],
    {
      cwd,
      env: { ...others, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8', ...env, ...variables },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  return {
    end: ended(child),
    shown: () => text,
    press: (keys) => child.stdin.write(keys),
    shows: (pattern) => until(() => pattern.exec(text), `${pattern} in\n${text}`, 60_000),
    processes,
  };
}

module.exports = { CLEAR_LINE, onTerminal, plain, terminalProgram, visible };
