'use strict';
// Runs JavaScript tests on machines that lack something: a seccomp filter around them makes the
// kernel refuse it (tests/common/refuse.rs). The addon must be built.
//   node scripts/degraded.js [MACHINE[:ERRNO]…] [-- ARGUMENTS OF scripts/test.js]
// Without arguments: every machine, each with ENOSYS and EPERM, and all tests.

const { execFileSync, spawnSync } = require('node:child_process');
const path = require('node:path');

const { root } = require('./tools');

const MACHINES = ['landlock', 'namespaces', 'pidfd', 'close_range', 'seccomp', 'all'];
const ERRNOS = ['ENOSYS', 'EPERM'];

/** Builds the tool, and gives the program. */
function build() {
  const args = ['test', '--locked', '--no-default-features', '--test', 'degraded', '--no-run'];
  const output = execFileSync('cargo', [...args, '--message-format=json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const built = output.split('\n').filter((line) => line.includes('"executable":"'));
  const programs = built.map((line) => JSON.parse(line).executable);
  // the helper is built with it
  return programs.find((program) => path.basename(program).startsWith('degraded-'));
}

/** Program, arguments and variables that start a command on such a machine. */
function on(machine, tool, command) {
  return {
    file: tool,
    args: ['--ignored', '--exact', 'become_a_program_on_such_a_machine', '--nocapture'],
    variables: { DEGRADED_MACHINE: machine, DEGRADED_COMMAND: JSON.stringify(command) },
  };
}

function main(given) {
  const end = given.includes('--') ? given.indexOf('--') : given.length;
  const named = given.slice(0, end);
  const wrong = named.find((name) => !MACHINES.includes(name.split(':')[0]));
  if (wrong) {
    console.error(`There is no machine ${wrong}; there are ${MACHINES.join(', ')}`);
    return 1;
  }
  const machines = (named.length > 0 ? named : MACHINES).flatMap((name) =>
    name.includes(':') ? [name] : ERRNOS.map((errno) => `${name}:${errno}`),
  );
  const tool = build();
  const command = [process.execPath, path.join('scripts', 'test.js'), ...given.slice(end + 1)];
  const failed = machines.filter((machine) => {
    console.log(`\n=== on a machine that answers ${machine}`);
    const { file, args, variables } = on(machine, tool, command);
    const env = { ...process.env, ...variables };
    const { status, stdout, error } = spawnSync(file, args, {
      cwd: root,
      env,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (error) console.error(`${file} cannot be started: ${error.message}`);
    const isTold = (line) => /^ *(✖|﹣)|^ℹ (tests|pass|fail|skipped)/.test(line);
    console.log(status === 0 ? stdout.split('\n').filter(isTold).join('\n') : stdout);
    return status !== 0;
  });
  console.log(failed.length > 0 ? `\nFailed on: ${failed.join(', ')}` : '\nPassed on all of them');
  return failed.length > 0 ? 1 : 0;
}

if (require.main === module) process.exitCode = main(process.argv.slice(2));

module.exports = { ERRNOS, MACHINES, build, on };
