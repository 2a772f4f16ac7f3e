import type { VariantName } from '../../src/models/variants.ts';

/** Where a model comes from. */
export type ModelSource =
  | { readonly kind: 'server'; readonly root: string; readonly key?: string }
  | { readonly kind: 'folder'; readonly files: ReadonlyMap<string, File> };

export interface DrawingOptions {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly seed?: number;
}

/** What the page tells the worker. */
export type ToWorker =
  | { readonly kind: 'load'; readonly source: ModelSource; readonly variant: VariantName }
  | { readonly kind: 'generate'; readonly prompt: string; readonly options: DrawingOptions }
  | { readonly kind: 'stop' };

/** What the worker tells the page. */
export type FromWorker =
  | { readonly kind: 'progress'; readonly loadedBytes: number; readonly totalBytes: number }
  | { readonly kind: 'building' }
  | { readonly kind: 'loaded'; readonly bytes: number; readonly ms: number; readonly version?: string }
  | {
      readonly kind: 'piece';
      readonly text: string;
      readonly tokens: number;
      readonly ms: number;
      readonly firstMs: number;
    }
  | { readonly kind: 'ended'; readonly reason: string }
  | { readonly kind: 'failed'; readonly message: string };
