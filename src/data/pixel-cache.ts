import type { Pixels } from "./pixels.ts";

/** Memory for decoded images where nobody says otherwise, in bytes. */
export const defaultCacheBytes = 512 * 2 ** 20;

/**
 * Decoded images within a budget of bytes. What comes first stays: epochs go through all images in new orders, where
 * dropping the least recently used one would drop each image shortly before it is needed again.
 */
export class PixelCache {
  readonly #budget: number;
  readonly #images = new Map<string, Pixels>();
  #bytes = 0;

  constructor(budgetBytes: number) {
    this.#budget = budgetBytes;
  }

  get(key: string): Pixels | undefined {
    return this.#images.get(key);
  }

  /** Keeps an image if there is room. */
  add(key: string, image: Pixels): void {
    if (this.#images.has(key) || this.#bytes + image.data.length > this.#budget) return;
    this.#bytes += image.data.length;
    this.#images.set(key, image);
  }

  clear(): void {
    this.#images.clear();
    this.#bytes = 0;
  }
}
