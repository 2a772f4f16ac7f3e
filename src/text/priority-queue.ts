/** A binary heap: `pop` returns the item that comes before all others. */
export interface PriorityQueue<T> {
  push(item: T): void;
  pop(): T | undefined;
}

/**
 * @param comesBefore - A strict order; items it does not separate come out in an unspecified order.
 */
export function createPriorityQueue<T>(comesBefore: (first: T, second: T) => boolean): PriorityQueue<T> {
  const items: T[] = [];

  function sink(item: T): void {
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && comesBefore(items[child + 1] as T, items[child] as T)) child++;
      if (!comesBefore(items[child] as T, item)) break;
      items[index] = items[child] as T;
      index = child;
    }
    items[index] = item;
  }

  return {
    push(item) {
      let index = items.length;
      items.push(item);
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (!comesBefore(item, items[parent] as T)) break;
        items[index] = items[parent] as T;
        index = parent;
      }
      items[index] = item;
    },
    pop() {
      const first = items[0];
      const last = items.pop();
      if (items.length > 0) sink(last as T);
      return first;
    },
  };
}
