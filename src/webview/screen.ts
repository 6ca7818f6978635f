/** The guest's screen: text cells or a picture; keys go to its keyboard while the picture has the focus. */
import { html, render, type TemplateResult } from 'lit';
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
let asking = false;
let timer: ReturnType<typeof setInterval> | undefined;

const connection = new Connection({
  session(now) {
    active = now;
    screen = undefined;
    show();
    if (now) void look();
  },
  event(event, body) {
    if (event !== 'ringside/state') return;
    running = (body as StateEvent).running;
    clearInterval(timer);
    timer = running ? setInterval(() => void look(), INTERVAL) : undefined;
    void look();
  },
});

async function look(): Promise<void> {
  if (asking || !active) return;
  asking = true;
  try {
    const since = screen && screen.kind !== 'none' ? screen.id : undefined;
    const answer = await connection.request('ringside/screen', { since });
    if (answer.kind !== 'unchanged') {
      screen = answer;
      show();
    }
  } catch {
    // No session that could answer: the next event asks again.
  } finally {
    asking = false;
  }
}

function show(): void {
  render(page(), root);
  if (screen?.kind === 'text') drawText(screen);
  else if (screen?.kind === 'graphics') drawPixels(screen);
}

function page(): TemplateResult {
  if (!active) return emptyState("While a guest is being debugged, this shows its screen. Click it to type on the guest's keyboard.");
  if (!screen || screen.kind === 'none') return emptyState('The guest has no screen.');
  const size = screen.kind === 'text' ? `${screen.columns} × ${screen.rows} characters` : `${screen.width} × ${screen.height} pixels`;
  return html`<canvas class="screen" tabindex="0" role="img" aria-label="guest screen, ${size}" @keydown=${key} @keyup=${key}></canvas>
    <p class="note">${size}. With the focus on the picture, keys go to the guest; Shift+Escape gives them back.</p>`;
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

/** The sixteen colours of text mode. */
const COLOURS = [
  ...['#000000', '#0000aa', '#00aa00', '#00aaaa', '#aa0000', '#aa00aa', '#aa5500', '#aaaaaa'],
  ...['#555555', '#5555ff', '#55ff55', '#55ffff', '#ff5555', '#ff55ff', '#ffff55', '#ffffff'],
];
const CELL = { width: 9, height: 16 };

const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

function context(width: number, height: number): CanvasRenderingContext2D | undefined {
  const canvas = root.querySelector('canvas');
  if (!canvas) return undefined;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return canvas.getContext('2d') ?? undefined;
}

function drawText({ columns, rows, cells, cursor }: Extract<ScreenBody, { kind: 'text' }>): void {
  const c = context(columns * CELL.width, rows * CELL.height);
  if (!c) return;
  const bytes = bytesOf(cells);
  c.font = `${CELL.height - 2}px monospace`;
  c.textBaseline = 'middle';
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (row * columns + column) * 2;
      const x = column * CELL.width;
      const y = row * CELL.height;
      c.fillStyle = COLOURS[(bytes[at + 1] >> 4) & 7];
      c.fillRect(x, y, CELL.width, CELL.height);
      c.fillStyle = COLOURS[bytes[at + 1] & 15];
      const character = codePage437(bytes[at]);
      if (character !== ' ') c.fillText(character, x, y + CELL.height / 2, CELL.width);
    }
  }
  if (cursor) c.fillRect(cursor.column * CELL.width, cursor.row * CELL.height + CELL.height - 3, CELL.width, 2);
}

function drawPixels({ width, height, pixels }: Extract<ScreenBody, { kind: 'graphics' }>): void {
  context(width, height)?.putImageData(new ImageData(Uint8ClampedArray.from(bytesOf(pixels)), width, height), 0, 0);
}

show();
