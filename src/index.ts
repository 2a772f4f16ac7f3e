/**
 * Itera-Lite: train, compress, prove, ship and keep improving very small language models on a CPU.
 *
 * @packageDocumentation
 */
export { type DType, dtypeBytes, type TypedArrayOf } from './core/dtype.ts';
export { type ErrorCode, errorCodes, IteraError } from './core/errors.ts';
export {
  type Conditions,
  type MeasurementRecord,
  type Metric,
  metrics,
  type NotRunRecord,
  type Provenance,
  type RecordSet,
  type ValueRecord,
} from './core/measurement.ts';
