/**
 * Turns a graph of nodes with jumps between any of them into WebAssembly's nested blocks and loops.
 *
 * The strongly connected components of the graph are written in topological order, each behind the end of a block that jumps to it
 * leave. A component with one way in is a loop whose header is that node; one with several is a loop that begins with a table of
 * jumps over a local, which every jump to one of its entries sets. What lies inside is written in the same way, its jumps back to
 * the entries left out.
 */
import { type Code, type Expr, get, i32, type Label } from '../wasm/code';

export interface GraphNode {
  readonly successors: readonly GraphNode[];
}

/** How to get to a node from where the code is. */
interface Way {
  readonly label: Label;
  /** What the table's local has to hold. */
  readonly number?: number;
}

export class Structure<N extends GraphNode> {
  private readonly code: Code;
  private readonly selector: number;
  private readonly write: (node: N) => void;
  private readonly ways = new Map<N, Way>();
  private readonly numbers = new Map<N, number>();

  /**
   * @param selector an i32 local for tables
   * @param write writes a node's code, every way out of which is a jump of its own
   */
  constructor(code: Code, selector: number, write: (node: N) => void) {
    this.code = code;
    this.selector = selector;
    this.write = write;
  }

  /** The number that the table's local holds to enter a node. */
  numberOf(node: N): number {
    let number = this.numbers.get(node);
    if (number === undefined) this.numbers.set(node, (number = this.numbers.size));
    return number;
  }

  /** Writes the whole graph. @param entries nodes that the local selects at the start */
  emit(nodes: readonly N[], entries: readonly N[]): void {
    for (const entry of entries) this.numberOf(entry);
    this.graph(nodes, entries, new Set(), true);
  }

  /** A jump from a node that is being written to another, or to itself. */
  jump(node: N): void {
    const way = this.ways.get(node);
    if (!way) throw new Error('a jump to a node that is not ahead');
    if (way.number !== undefined) this.code.set(this.selector, i32.const(way.number));
    this.code.branch(way.label);
  }

  /** @param heads where it is entered: by the table if `select` @param resolved nodes whose ways in are enclosing loops' */
  private graph(nodes: readonly N[], heads: readonly N[], resolved: ReadonlySet<N>, select: boolean): void {
    const { code } = this;
    const components = sort(nodes, resolved);
    const entriesOf = entryFinder(components, heads, resolved);
    const labels = components.map(() => code.open()).reverse();
    const place = new Map(components.flatMap((component, i) => component.map((node) => [node, i] as const)));
    if (select) this.table(heads.map((head) => [this.numberOf(head), labels[place.get(head) ?? 0]]));
    else code.branch(labels[place.get(heads[0]) ?? 0]);
    for (const [i, label] of labels.entries()) {
      const entries = entriesOf(i);
      const number = (node: N): number | undefined => (entries.length > 1 ? this.numberOf(node) : undefined);
      for (const node of entries) if (!resolved.has(node)) this.ways.set(node, { label, number: number(node) });
    }
    for (const [i, component] of components.entries()) {
      code.close();
      this.component(component, entriesOf(i), resolved);
    }
  }

  private component(nodes: readonly N[], entries: readonly N[], resolved: ReadonlySet<N>): void {
    const [first] = nodes;
    const loops = nodes.length > 1 || (first.successors.includes(first) && !resolved.has(first));
    if (!loops) {
      this.write(first);
      return;
    }
    const { code } = this;
    const label = code.openLoop();
    const several = entries.length > 1;
    for (const entry of entries) this.ways.set(entry, { label, number: several ? this.numberOf(entry) : undefined });
    this.graph(nodes, entries, new Set([...resolved, ...entries]), several);
    code.close();
  }

  private table(targets: readonly (readonly [number, Label])[]): void {
    const { code } = this;
    if (targets.length === 1) {
      code.branch(targets[0][1]);
      return;
    }
    const labels: Label[] = [];
    for (const [number, label] of targets) labels[number] = label;
    const filled = Array.from(labels, (label) => label ?? targets[0][1]);
    const selector: Expr = get(this.selector);
    code.branchTable(selector, filled);
  }
}

/** Strongly connected components in topological order, jumps to `resolved` nodes left out (Tarjan's algorithm). */
function sort<N extends GraphNode>(nodes: readonly N[], resolved: ReadonlySet<N>): N[][] {
  const inside = new Set(nodes);
  const order = new Map<N, number>();
  const low = new Map<N, number>();
  const stack: N[] = [];
  const open = new Set<N>();
  const found: N[][] = [];
  const visit = (node: N): void => {
    const index = order.size;
    order.set(node, index);
    let lowest = index;
    stack.push(node);
    open.add(node);
    for (const successor of node.successors as readonly N[]) {
      if (!inside.has(successor) || resolved.has(successor)) continue;
      if (!order.has(successor)) visit(successor);
      if (open.has(successor)) lowest = Math.min(lowest, low.get(successor) ?? order.get(successor) ?? index);
    }
    low.set(node, lowest);
    if (lowest !== index) return;
    const component: N[] = [];
    for (;;) {
      const member = stack.pop() as N;
      open.delete(member);
      component.push(member);
      if (member === node) break;
    }
    found.push(component);
  };
  for (const node of nodes) if (!order.has(node)) visit(node);
  return found.reverse();
}

/** Which nodes of a component are reached from elsewhere. */
function entryFinder<N extends GraphNode>(
  components: readonly (readonly N[])[],
  heads: readonly N[],
  resolved: ReadonlySet<N>,
): (component: number) => readonly N[] {
  const place = new Map(components.flatMap((component, i) => component.map((node) => [node, i] as const)));
  const entries: Set<N>[] = components.map(() => new Set());
  const enter = (node: N): void => {
    const at = place.get(node);
    if (at !== undefined) entries[at].add(node);
  };
  for (const head of heads) enter(head);
  for (const [i, component] of components.entries()) {
    for (const node of component) {
      for (const successor of node.successors as readonly N[]) {
        if (place.get(successor) !== i && !resolved.has(successor)) enter(successor);
      }
    }
  }
  return (component) => [...entries[component]];
}
