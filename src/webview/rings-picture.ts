/** Four concentric bands, the markers, and the last transition as an arrow between two of them. */
import { nothing, svg, html, type TemplateResult } from 'lit';
import type { TransitionView, VcpuState } from '../shared/panel-protocol';
import type { Place } from '../shared/transition';
import { placeText } from './parts';

const SIZE = 260;
const CENTRE = SIZE / 2;
/** Outer radius of each ring's band. */
const RADII = [38, 66, 94, 122] as const;

/** Middle of a ring's band. */
const middle = (ring: number): number => (ring === 0 ? RADII[0] * 0.5 : (RADII[ring] + RADII[ring - 1]) / 2);

function point(ring: number, degrees: number): { x: number; y: number } {
  const radians = (degrees * Math.PI) / 180;
  return { x: CENTRE + middle(ring) * Math.cos(radians), y: CENTRE + middle(ring) * Math.sin(radians) };
}

const MARKER_ANGLE = -35;
const ARROW_FROM = -150;
const ARROW_TO = -100;

export function ringsPicture(cpu: VcpuState, last: TransitionView | undefined): TemplateResult {
  const real = cpu.place.mode === 'real';
  const title = `${cpu.name}: ${placeText(cpu.place)}${last ? `; last transition ${last.cause.name} from ${placeText(last.from)} to ${placeText(last.to)}` : ''}`;
  return html`<div class="caption">${last ? html`<span class="number">${last.cause.name}</span> <span class="note">${shortPlace(last.from)} → ${shortPlace(last.to)}</span>` : nothing}</div>
  <svg viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label=${title}>
    <defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" class="arrow-head"/></marker></defs>
    ${[3, 2, 1, 0].map((ring) => band(ring, cpu.place))}
    ${[0, 1, 2, 3].map((ring) => svg`<text x=${CENTRE} y=${CENTRE + RADII[ring] - 8} class="ring-name" text-anchor="middle">${ring}</text>`)}
    ${last ? arrow(last) : nothing}
    ${cpu.place.guestRing === cpu.place.ring ? nothing : believed(cpu.place)}
    ${marker(cpu.place, real)}
  </svg>`;
}

function band(ring: number, place: Place): TemplateResult {
  return svg`<circle cx=${CENTRE} cy=${CENTRE} r=${RADII[ring]} class="band ring-${ring} ${place.ring === ring ? 'current' : ''}"><title>ring ${ring}</title></circle>`;
}

function marker(place: Place, real: boolean): TemplateResult {
  const { x, y } = point(place.ring, MARKER_ANGLE);
  return svg`<circle cx=${x} cy=${y} r="8" class="marker"/><text x=${x} y=${y + 3.5} class="marker-text" text-anchor="middle">${real ? 'R' : place.ring}</text>`;
}

/** Where the guest believes it is. */
function believed(place: Place): TemplateResult {
  const { x, y } = point(place.guestRing, MARKER_ANGLE + 30);
  return svg`<circle cx=${x} cy=${y} r="8" class="marker believed"/><text x=${x} y=${y + 3.5} class="believed-text" text-anchor="middle">${place.guestRing}</text>`;
}

function arrow({ from, to, sequence }: TransitionView): TemplateResult {
  const a = point(from.ring, ARROW_FROM);
  const b = point(to.ring, ARROW_TO);
  const bend = { x: (a.x + b.x) / 2 - 14, y: (a.y + b.y) / 2 - 14 };
  // A new key makes a new element, and so a new animation.
  return svg`<g class="transition" data-sequence=${sequence}>
    <path d="M${a.x} ${a.y} Q${bend.x} ${bend.y} ${b.x} ${b.y}" class="arrow ${sequence % 2 === 0 ? 'even' : 'odd'}" pathLength="1" marker-end="url(#head)"/>
  </g>`;
}

const shortPlace = ({ ring, mode }: Place): string =>
  mode === 'real' ? 'real mode' : mode === 'virtual-8086' ? 'virtual-8086' : `ring ${ring}`;
