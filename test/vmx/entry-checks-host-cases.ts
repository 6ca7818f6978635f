/** Host state: for each check the nearest VMCS that it refuses and the nearest that it lets pass. */
import { ENTRY_CONTROLS, EXIT_CONTROLS } from '../../src/engines/cpu/vmx/control-bits';
import type { FieldKey } from '../../src/engines/cpu/vmx/fields';
import { CaseTable, ENTRY_64, EXIT_64, LAST_PAGE, TOO_WIDE } from './entry-checks-support';

const { mask: X } = EXIT_CONTROLS;
const { mask: N } = ENTRY_CONTROLS;

const table = new CaseTable();
const add = table.add.bind(table);
export const HOST_CASES = table.cases;

const LONG = '64-bit guest';
const HOST_32 = '32-bit host';
const ENTRY_32 = ENTRY_64 & ~N.ia32eModeGuest;
const EXIT_32 = EXIT_64 & ~X.hostAddressSpaceSize;

add(LONG, 'host.cr0.must-be-1', { hostCr0: 0x80050013 }, { hostCr0: 0x80000021 });
add(LONG, 'host.cr0.must-be-0', { hostCr0: 0x1_8005_0033n }, { hostCr0: 0xffffffff });
add(LONG, 'host.cr4.must-be-1', { hostCr4: 0x20 }, { hostCr4: 0x2020 });
add(LONG, 'host.cr4.must-be-0', { hostCr4: 0x402020 }, { hostCr4: 0x202020 });
const WITH_CET = { processor: { cr4Fixed1: 0x00b72fff } };
add(LONG, 'host.cr4.cet', { hostCr0: 0x80000021 }, { hostCr0: 0x80010021 }, { with: { hostCr4: 0x802020 }, both: WITH_CET });
add(LONG, 'host.cr3', { hostCr3: TOO_WIDE }, { hostCr3: LAST_PAGE | 0xfffn });

/** First address beyond the lower half, and the last one in it. */
const canonical = (id: string, key: FieldKey): void => add(LONG, id, { [key]: 0x8000_0000_0000n }, { [key]: 0x7fff_ffff_ffffn });
canonical('host.sysenter-esp', 'hostSysenterEsp');
canonical('host.sysenter-eip', 'hostSysenterEip');

add(LONG, 'host.pat', { hostPat: 0x0207_0605_0401_0006n }, { hostPat: 0x0107_0605_0401_0006n });
add(LONG, 'host.efer.reserved', { hostEfer: 0xd03 }, { hostEfer: 0xd01 });
add(LONG, 'host.efer.lma', { hostEfer: 0x101 }, { hostEfer: 0x501 });
add(LONG, 'host.efer.lme', { hostEfer: 0x401 }, { hostEfer: 0x501 });

for (const name of ['Cs', 'Ss', 'Ds', 'Es', 'Fs', 'Gs', 'Tr'] as const) {
  add(LONG, `host.${name.toLowerCase()}.rpl-ti`, { [`host${name}Selector`]: 0x14 }, { [`host${name}Selector`]: 0x18 });
}
add(LONG, 'host.cs.null', { hostCsSelector: 0 }, { hostCsSelector: 8 });
add(LONG, 'host.tr.null', { hostTrSelector: 0 }, { hostTrSelector: 8 });
add(HOST_32, 'host.ss.null', { hostSsSelector: 0 }, { hostSsSelector: 8 });
for (const name of ['Fs', 'Gs', 'Gdtr', 'Idtr', 'Tr'] as const) canonical(`host.${name.toLowerCase()}.base`, `host${name}Base`);

// A 64-bit guest needs a 64-bit host, and that a processor in IA-32e mode: each way to break one rule breaks a second.
const SPACE = 'host.address-space';
const OUTSIDE = { processor: { longMode: false } };
add(
  HOST_32,
  `${SPACE}.guest-outside`,
  { entryControls: ENTRY_64 },
  { entryControls: ENTRY_32 },
  {
    with: { guestCr4: 0x2020 },
    also: [`${SPACE}.guest-64`],
  },
);
add(
  'PAE guest',
  `${SPACE}.host-outside`,
  { exitControls: EXIT_64 },
  { exitControls: EXIT_32, hostRip: 0x1000, hostCr4: 0x2020 },
  { both: OUTSIDE },
);
add('PAE guest', `${SPACE}.host-inside`, { exitControls: EXIT_32 }, { exitControls: EXIT_64 }, { with: { hostRip: 0x1000 } });
add(
  LONG,
  `${SPACE}.guest-64`,
  { exitControls: EXIT_32 },
  { exitControls: EXIT_64 },
  {
    with: { hostRip: 0x1000 },
    also: [`${SPACE}.host-inside`],
  },
);
add(HOST_32, 'host.cr4.pcide', { hostCr4: 0x22020 }, { hostCr4: 0x2020 });
add(HOST_32, 'host.rip.high', { hostRip: 0x1_0000_0000n }, { hostRip: 0xffffffff });
add(LONG, 'host.cr4.pae', { hostCr4: 0x2000 }, { hostCr4: 0x2020 });
canonical('host.rip.canonical', 'hostRip');
