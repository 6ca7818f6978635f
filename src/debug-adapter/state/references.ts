/** Numbers that stand for things of one stop: frames and groups of variables. They end when the guest moves. */
export class References<T> {
  private readonly items = new Map<number, T>();
  private next: number;

  /** Numbers are never used twice, so that a stale one is known for what it is. */
  constructor(first = 1) {
    this.next = first;
  }

  add(item: T): number {
    const id = this.next++;
    this.items.set(id, item);
    return id;
  }

  get(id: number): T | undefined {
    return this.items.get(id);
  }

  clear(): void {
    this.items.clear();
  }
}
