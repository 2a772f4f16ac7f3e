/** Runs a thread whose program is a TypeScript source file, named by `workerData.entry`; for work on this repository only. */
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.entry);
