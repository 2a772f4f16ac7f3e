import type { MeasurementRecord } from '../core/measurement.ts';

/** The records of a report by what they are about. */
export interface RecordKinds {
  /** The model and its variants on texts, and their sizes. */
  readonly model: readonly MeasurementRecord[];
  /** How exported files compare with the model. */
  readonly exports: readonly MeasurementRecord[];
  /** How fast the model runs, in which runtime. */
  readonly speed: readonly MeasurementRecord[];
  /** What energy it draws, and what it would draw elsewhere. */
  readonly energy: readonly MeasurementRecord[];
  /** How fast the model answers over HTTP. */
  readonly server: readonly MeasurementRecord[];
  /** What learning from feedback changed. */
  readonly adaptation: readonly MeasurementRecord[];
}

/** Tells the records of an export's verification, of a benchmark, of energy, of a server and of an adaptation from those of the model's quality. */
export function sortRecords(records: readonly MeasurementRecord[]): RecordKinds {
  const kindOf = ({ metric, status, conditions }: MeasurementRecord): keyof RecordKinds => {
    if (conditions['scenario'] !== undefined) return 'adaptation';
    if (conditions['concurrency'] !== undefined) return 'server';
    if (conditions['meter'] !== undefined || conditions['platform'] !== undefined) return 'energy';
    if (conditions['check'] !== undefined || conditions['format'] !== undefined) return 'exports';
    const isAbsent = status === 'notRun' && metric === 'latency_ms' && conditions.runtime !== undefined;
    const isTimed = conditions['runtimeVersion'] !== undefined || conditions['stage'] !== undefined;
    return isTimed || isAbsent ? 'speed' : 'model';
  };
  const of = (kind: keyof RecordKinds) => records.filter((record) => kindOf(record) === kind);
  return {
    model: of('model'),
    exports: of('exports'),
    speed: of('speed'),
    energy: of('energy'),
    server: of('server'),
    adaptation: of('adaptation'),
  };
}
