/** A small ELF file of our own making: one text section, two symbols, a line table of version 3. */

class Bytes {
  readonly list: number[] = [];

  u8(...values: number[]): this {
    this.list.push(...values.map((value) => value & 0xff));
    return this;
  }

  u16(value: number): this {
    return this.u8(value, value >> 8);
  }

  u32(value: number): this {
    return this.u8(value, value >> 8, value >> 16, value >> 24);
  }

  text(value: string): this {
    return this.u8(...new TextEncoder().encode(value), 0);
  }
}

/** Line 1 at 0x1000 for two bytes, line 2 for three. */
function lineTable(): number[] {
  const program = new Bytes()
    .u8(0, 5, 2) // DW_LNE_set_address
    .u32(0x1000)
    .u8(1) // DW_LNS_copy: line 1
    .u8(13 + 2 * 14 + 1 + 5) // special: address + 2, line + 1
    .u8(2, 3) // DW_LNS_advance_pc
    .u8(0, 1, 1); // DW_LNE_end_sequence
  const tables = new Bytes().text('/src').u8(0).text('a.asm').u8(1, 0, 0).u8(0);
  const fields = new Bytes().u8(1, 1, -5, 14, 13).u8(0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1);
  const headerLength = fields.list.length + tables.list.length;
  const unit = new Bytes().u16(3).u32(headerLength);
  unit.list.push(...fields.list, ...tables.list, ...program.list);
  return [...new Bytes().u32(unit.list.length).list, ...unit.list];
}

export function buildElf(): Uint8Array {
  const names = new Bytes().u8(0).text('.text').text('.symtab').text('.strtab').text('.shstrtab').text('.debug_line');
  const nameOf = (name: string): number => Buffer.from(names.list).indexOf(`\0${name}\0`) + 1;
  const strings = new Bytes().u8(0).text('start').text('loop');
  const symbols = new Bytes();
  const symbol = (name: number, value: number, size: number, info: number, section: number) =>
    symbols.u32(name).u32(value).u32(size).u8(info, 0).u16(section);
  symbol(0, 0, 0, 0, 0);
  symbol(1, 0x1000, 5, 0x12, 1);
  symbol(7, 0x1002, 0, 0, 1);

  const parts = [
    { name: '.text', type: 1, flags: 6, address: 0x1000, data: [0x90, 0x90, 0x90, 0xeb, 0xfd], link: 0, entry: 0 },
    { name: '.symtab', type: 2, flags: 0, address: 0, data: symbols.list, link: 3, entry: 16 },
    { name: '.strtab', type: 3, flags: 0, address: 0, data: strings.list, link: 0, entry: 0 },
    { name: '.shstrtab', type: 3, flags: 0, address: 0, data: names.list, link: 0, entry: 0 },
    { name: '.debug_line', type: 1, flags: 0, address: 0, data: lineTable(), link: 0, entry: 0 },
  ];
  const body = new Bytes();
  const headers = new Bytes();
  for (let i = 0; i < 10; i++) headers.u32(0);
  for (const { name, type, flags, address, data, link, entry } of parts) {
    const offset = 52 + body.list.length;
    body.u8(...data);
    headers.u32(nameOf(name)).u32(type).u32(flags).u32(address).u32(offset).u32(data.length).u32(link).u32(0).u32(1).u32(entry);
  }
  const file = new Bytes().u8(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  file.u16(2).u16(3).u32(1).u32(0x1000).u32(0);
  file
    .u32(52 + body.list.length)
    .u32(0)
    .u16(52)
    .u16(0)
    .u16(0)
    .u16(40)
    .u16(parts.length + 1)
    .u16(4);
  return Uint8Array.from([...file.list, ...body.list, ...headers.list]);
}
