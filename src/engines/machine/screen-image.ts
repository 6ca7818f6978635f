/** A snapshot of the display as the debugger's panel takes it: cells of text, or red, green, blue and alpha. */
import type { Screen } from '../../shared/screen';
import type { ScreenImage } from '../engine';

/** @returns undefined while the screen is blank */
export function screenImage(screen: Screen): ScreenImage | undefined {
  if (screen.kind === 'blank') return undefined;
  if (screen.kind === 'graphics') {
    const { width, height, palette } = screen;
    const pixels = new Uint8ClampedArray(width * height * 4);
    screen.pixels.forEach((colour, i) => {
      pixels[i * 4] = palette[colour * 3];
      pixels[i * 4 + 1] = palette[colour * 3 + 1];
      pixels[i * 4 + 2] = palette[colour * 3 + 2];
      pixels[i * 4 + 3] = 0xff;
    });
    return { kind: 'graphics', width, height, pixels };
  }
  const { columns, rows, cursor } = screen;
  const cells = new Uint8Array(columns * rows * 2);
  screen.characters.forEach((character, i) => {
    cells[i * 2] = character;
    cells[i * 2 + 1] = screen.attributes[i];
  });
  return { kind: 'text', columns, rows, cells, cursor: cursor && { column: cursor.column, row: cursor.row } };
}
