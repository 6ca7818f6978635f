/** What `ringside run --help` says of the options; docs/cli.md says more. */
const OPTIONS: readonly (readonly [option: string, meaning: string])[] = [
  ['--engine emulator|vmx', 'the technique'],
  ['--hypervisor builtin|<file>', 'of vmx: ours, or your own, with <program> as its first module'],
  ['--memory 64M', 'RAM'],
  ['--cpus N', 'virtual processors, 1 to 8'],
  ['--cpu <name>', 'i486, pentium, i686, x86-64, x86-64-v2 or max'],
  ['--tiers all|interpreter', 'compile hot code, or interpret everything'],
  ['--profile', 'count instructions by kind, tiers, TLB misses, compilations: as a table at the end, or in the JSON'],
  ['--max-instructions N', 'stop after N; 10M is read'],
  ['--serial stdio|<file>', 'where COM1 goes'],
  ['--kernel <file>', 'a kernel in place of <program>'],
  ['--initrd "<file> args,…"', 'its modules or initial RAM disk'],
  ['--append "…"', 'its command line'],
  ['--unpack-kernel', 'unpack a bzImage before the start'],
  ['--kernel-entry 32|64|pvh', 'how to enter a Linux kernel'],
  ['--disk <file>', 'the disk'],
  ['--bios <file>', 'a BIOS image in place of the built-in one'],
  ['--break <symbol|address>', 'stop there; may be given several times'],
  ['--symbols <file>', 'further symbols; may be given several times'],
  ['--trace <file.jsonl>', 'every transition, a JSON object a line'],
  ['--json', 'one JSON object on standard output at the end'],
];

const WIDTH = 26;

export const RUN_HELP = OPTIONS.map(([option, meaning]) => `  ${option.padEnd(WIDTH)}${meaning}\n`).join('');
