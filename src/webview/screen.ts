/** The guest's screen: text cells or a picture; keys go to its keyboard while the picture has the focus. */
import { html, nothing, render, type TemplateResult } from 'lit';
import type { ScreenBody, StateEvent } from '../shared/panel-protocol';
import { codePage437 } from './code-page';
import { Connection } from './connection';
import { emptyState } from './parts';

const root = document.querySelector<HTMLElement>('#root') as HTMLElement;
/** Milliseconds between two looks while the guest runs. */
const INTERVAL = 100;

let active = false;
let running = false;
let screen: Exclude<ScreenBody, { kind: 'unchanged' }> | undefined;
/** The question that has no answer yet. A session that is starting may leave one without. */
let asking: object | undefined;
let timer: ReturnType<typeof setInterval> | undefined;

const connection = new Connection({
  session(now) {
    active = now;
    screen = undefined;
    asking = undefined;
    show();
    if (now) void look();
  },
  event(event, body) {
    if (event !== 'ringside/state') return;
    running = (body as StateEvent).running;
    asking = undefined;
    clearInterval(timer);
    timer = running ? setInterval(() => void look(), INTERVAL) : undefined;
    void look();
  },
});

async function look(): Promise<void> {
  if (asking || !active) return;
  const question = {};
  asking = question;
  try {
    const since = screen && screen.kind !== 'none' ? screen.id : undefined;
    const answer = await connection.request('ringside/screen', { since });
    if (question === asking && answer.kind !== 'unchanged') {
      screen = answer;
      show();
    }
  } catch {
    // No session that could answer: the next event asks again.
  } finally {
    if (question === asking) asking = undefined;
  }
}

function show(): void {
  render(page(), root);
  if (screen?.kind === 'text') drawText(screen);
  else if (screen?.kind === 'graphics') drawGraphics(screen);
}

function page(): TemplateResult {
  if (!active) return emptyState("While a guest is being debugged, this shows its screen. Click it to type on the guest's keyboard.");
  if (!screen || screen.kind === 'none') return emptyState('The guest has no display.');
  if (screen.kind === 'blank') return emptyState('The display is blank: the guest has switched it off.');
  const size = screen.kind === 'text' ? `${screen.columns} × ${screen.rows} characters` : `${screen.width} × ${screen.height} pixels`;
  return html`<canvas class="screen" tabindex="0" role="img" aria-label="guest screen, ${size}" @keydown=${key} @keyup=${key}></canvas>
    <p class="note">${size}. With the focus on the picture, keys go to the guest; Shift+Escape gives them back.
      ${screen.kind === 'text' ? html`<button class="link" @click=${copyText}>copy as text</button>` : nothing}</p>`;
}

function copyText(): void {
  if (screen?.kind !== 'text') return;
  const codes = bytesOf(screen.characters);
  const lines = Array.from({ length: screen.rows }, (_, row) => {
    const { columns } = screen as TextImage;
    return Array.from(codes.subarray(row * columns, (row + 1) * columns), codePage437)
      .join('')
      .trimEnd();
  });
  connection.copy(lines.join('\n'));
}

function key(event: KeyboardEvent): void {
  if (event.code === 'Escape' && event.shiftKey) {
    (event.target as HTMLElement).blur();
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  if (event.repeat && event.type === 'keyup') return;
  connection.request('ringside/input', { kind: 'key', code: event.code, pressed: event.type === 'keydown' }).catch(() => {
    // A key that the guest's keyboard does not have.
  });
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** A canvas of a size in guest pixels, with its picture. */
function canvasOf(width: number, height: number): { context: CanvasRenderingContext2D; image: ImageData } | undefined {
  const canvas = root.querySelector('canvas');
  const context = canvas?.getContext('2d');
  if (!canvas || !context) return undefined;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return { context, image: context.createImageData(width, height) };
}

/** RGBA words of a palette of red, green and blue bytes. */
function wordsOf(palette: string): Uint32Array {
  const bytes = bytesOf(palette);
  return Uint32Array.from(
    { length: bytes.length / 3 },
    (_, i) => (0xff << 24) | (bytes[i * 3 + 2] << 16) | (bytes[i * 3 + 1] << 8) | bytes[i * 3],
  );
}

type TextImage = Extract<ScreenBody, { kind: 'text' }>;
type GraphicsImage = Extract<ScreenBody, { kind: 'graphics' }>;

/** Draws characters with the guest's own font, dot for dot. */
function drawText(text: TextImage): void {
  const { columns, rows, cellWidth, cellHeight, cursor } = text;
  const canvas = canvasOf(columns * cellWidth, rows * cellHeight);
  if (!canvas) return;
  const dots = new Uint32Array(canvas.image.data.buffer);
  const colours = wordsOf(text.palette);
  const characters = bytesOf(text.characters);
  const attributes = bytesOf(text.attributes);
  const plain = bytesOf(text.font);
  const second = text.secondFont === undefined ? plain : bytesOf(text.secondFont);
  const width = columns * cellWidth;
  for (let cell = 0; cell < columns * rows; cell++) {
    const code = characters[cell];
    const attribute = attributes[cell];
    const ink = colours[attribute & 15];
    const paper = colours[(attribute >> 4) & (text.blink ? 7 : 15)];
    const font = attribute & 8 ? second : plain;
    const column = cell % columns;
    const row = Math.floor(cell / columns);
    const repeated = text.lineGraphics && code >= 0xc0 && code <= 0xdf;
    for (let y = 0; y < cellHeight; y++) {
      const inCursor = cursor?.column === column && cursor.row === row && y >= cursor.first && y <= cursor.last;
      const line = inCursor ? 0xff : font[code * 32 + y];
      const at = (row * cellHeight + y) * width + column * cellWidth;
      for (let x = 0; x < cellWidth; x++) {
        const lit = x < 8 ? (line >> (7 - x)) & 1 : inCursor || (repeated && line & 1);
        dots[at + x] = lit ? ink : paper;
      }
    }
  }
  canvas.context.putImageData(canvas.image, 0, 0);
}

function drawGraphics({ width, height, pixels, palette }: GraphicsImage): void {
  const canvas = canvasOf(width, height);
  if (!canvas) return;
  const colours = wordsOf(palette);
  new Uint32Array(canvas.image.data.buffer).set(Uint32Array.from(bytesOf(pixels), (index) => colours[index]));
  canvas.context.putImageData(canvas.image, 0, 0);
}

show();
