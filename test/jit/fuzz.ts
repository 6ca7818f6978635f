/** The long run of random programs; see fuzz.mjs. */
import { parseArgs } from 'node:util';
import { PREBUILT_HANDLERS } from '../../src/engines/cpu/interpreter/prebuilt';
import { Fuzzer } from './fuzzer';
import { MODES } from './world';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    cases: { type: 'string', default: '1000' },
    mode: { type: 'string', default: '' },
    most: { type: 'string', default: '10' },
  },
});
const modes = MODES.filter(({ name }) => new RegExp(values.mode).test(name));
const [first, cases, most] = [values.seed, values.cases, values.most].map(Number);
const fuzzer = new Fuzzer(PREBUILT_HANDLERS);
let differences = 0;
let ran = 0;
/** Seeds between two signs of life. */
const STEP = 50;
for (let seed = first; seed < first + cases && differences < most; seed++) {
  if (seed > first && (seed - first) % STEP === 0) console.log(`up to seed ${seed}: ${ran} programs, ${differences} differences`);
  for (const mode of modes) {
    const found = fuzzer.run(mode, seed);
    ran++;
    if (found === '') continue;
    differences++;
    console.log(`${found}\n`);
  }
}
fuzzer.finish();
const { user } = process.cpuUsage();
const counts = `${fuzzer.instructions} instructions, ${fuzzer.regions} regions of ${fuzzer.compiled} instructions, ${fuzzer.invalidated} invalidated, ${fuzzer.revived} came back, ${fuzzer.softened} soft fields`;
console.log(`${ran} programs, ${differences} differences; ${counts}; ${(user / 1e6).toFixed(0)} s`);
process.exitCode = differences > 0 ? 1 : 0;
