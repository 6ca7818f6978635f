import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { supportTable } from './support-table';

const path = new URL('../../docs/support.md', import.meta.url).pathname;
const START = '<!-- made by npm run docs: -->\n';
const END = '\n<!-- :made -->';

/** With RINGSIDE_UPDATE set (`npm run docs`) the page is written instead. */
it('says in docs/support.md which instruction sets work', () => {
  const text = readFileSync(path, 'utf8');
  const start = text.indexOf(START);
  const end = text.indexOf(END);
  expect(start).toBeGreaterThan(0);
  expect(end).toBeGreaterThan(start);
  const updated = `${text.slice(0, start + START.length)}${supportTable()}${text.slice(end)}`;
  if (process.env.RINGSIDE_UPDATE) writeFileSync(path, updated);
  else expect(text).toBe(updated);
});
