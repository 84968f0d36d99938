'use strict';
// Tries each property of what parses foreign bytes for a while, with new random input each time.
//   node __test__/heavy/fuzz.js [SECONDS FOR EACH]
// Before a release: at least 60 seconds for each. What fails is printed with its smallest input.

const { execFileSync, spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');
const seconds = Number(process.argv[2] ?? 30);
/** Cases of the run that measures how long one takes. */
const FIRST_CASES = 20_000;

/** Every property, by the folder that it is about. */
const PROPERTIES = [
  'config::tests::any_json_is_a_configuration_or_an_error',
  'config::tests::keys_and_references_survive',
  'config::tests::transforming_twice_changes_nothing',
  'fuzz::damaged_frames_are_refused',
  'fuzz::documents_of_any_text',
  'fuzz::frames_survive',
  'fuzz::lines_of_any_bytes',
  'fuzz::messages_of_any_bytes',
  'fuzz::secrets_of_any_configuration',
  'fuzz::verdicts_of_any_bytes',
  'output::lines::tests::framing_does_not_depend_on_how_bytes_arrive',
  'output::messages::tests::any_bytes_give_objects',
  'output::messages::tests::nothing_is_lost_added_or_reordered',
  'output::redact::tests::no_secret_leaks',
  'output::redact::tests::nothing_else_changes',
  'specifier::tests::the_registrys_specifiers_name_no_other_place',
];

/** Builds the Rust tests with optimisation, and gives the program. */
function build() {
  const args = ['test', '--locked', '--release', '--no-default-features', '--lib', '--no-run'];
  const output = execFileSync('cargo', [...args, '--message-format=json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const built = output.split('\n').filter((line) => line.includes('"executable":"'));
  return JSON.parse(built.at(-1)).executable;
}

/** Runs a program with so many cases; gives whether it passed, and how long it took. */
function attempt(program, args, cases, more = {}) {
  const begun = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, FUZZ_CASES: String(cases), RUST_BACKTRACE: '0', ...more },
  });
  const took = Number(process.hrtime.bigint() - begun) / 1e9;
  if (status !== 0) console.error(stdout + stderr);
  return { passed: status === 0, took };
}

let total = 0;
let failed = 0;
/** Tries one property for about as long as was asked for. */
function tryFor(name, run) {
  let { passed, took } = run(FIRST_CASES);
  const cases = Math.ceil((FIRST_CASES * seconds) / Math.max(took, 0.01));
  if (passed) ({ passed, took } = run(cases));
  total += cases;
  if (!passed) failed += 1;
  const outcome = passed ? 'ok' : 'FAILED';
  console.log(`${outcome}  ${name}: ${cases.toLocaleString('en')} cases in ${took.toFixed(0)} s`);
}

const program = build();
const known = execFileSync(program, ['--list'], { encoding: 'utf8' });
for (const name of PROPERTIES) {
  if (!known.includes(`${name}: test\n`)) throw new Error(`there is no test ${name} any more`);
  tryFor(name, (cases) => attempt(program, ['--exact', name], cases));
}
const seed = Math.floor(Math.random() * 2 ** 31);
tryFor(`config-property.test.js from seed ${seed}`, (cases) =>
  attempt(process.execPath, ['--test', '__test__/config-property.test.js'], cases, {
    FUZZ_SEED: String(seed),
  }),
);
console.log(`${total.toLocaleString('en')} cases in all, ${failed} properties failed`);
process.exitCode = failed === 0 ? 0 : 1;
