export * from './broadcasting.ts';
export * from './elementwise.ts';
export * from './fused.ts';
export * from './indexing.ts';
export * from './layout.ts';
export * from './matrix.ts';
export * from './reduction.ts';
export * from './sizes.ts';
