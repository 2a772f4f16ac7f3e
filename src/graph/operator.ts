import { IteraError } from '../core/errors.ts';
import type { Attributes, Operator, Value } from './graph.ts';

const registry = new Map<string, Operator>();

/** Registers an operator under its ONNX name. */
export function defineOperator(
  definition: Omit<Operator, 'domain'> & {
    readonly domain?: Operator['domain'];
  },
): Operator {
  const operator: Operator = { domain: '', ...definition };
  registry.set(`${operator.domain}:${operator.opType}`, operator);
  return operator;
}

/** All operators that have been defined. */
export function listOperators(): readonly Operator[] {
  return [...registry.values()];
}

/**
 * Finds an operator by name.
 *
 * @throws {@link IteraError} `GRAPH_INVALID` if there is none.
 */
export function findOperator(domain: string, opType: string): Operator {
  const operator = registry.get(`${domain === 'ai.onnx' ? '' : domain}:${opType}`);
  if (!operator)
    throw new IteraError('GRAPH_INVALID', `Operator ${domain}:${opType} is not known.`, { domain, opType });
  return operator;
}

/** The node's input at `index`, which must be there. */
export function required(inputs: readonly (Value | undefined)[], index: number): Value {
  const value = inputs[index];
  if (!value)
    throw new IteraError('GRAPH_INVALID', `Input ${index} is missing.`, {
      index,
    });
  return value;
}

/** A whole-number attribute, or its default. */
export function integerAttribute(attributes: Attributes, name: string, fallback?: number): number {
  const value = attributes[name] ?? fallback;
  if (typeof value !== 'number') throw new IteraError('GRAPH_INVALID', `Attribute ${name} must be a number.`, { name });
  return value;
}

/** A list attribute. */
export function listAttribute(attributes: Attributes, name: string): readonly number[] {
  const value = attributes[name];
  if (!Array.isArray(value))
    throw new IteraError('GRAPH_INVALID', `Attribute ${name} must be a list.`, {
      name,
    });
  return value;
}

/** The numbers of an input that must be a constant of the graph, such as axes. */
export function constantNumbers(value: Value): readonly number[] {
  if (!value.constant) {
    throw new IteraError('GRAPH_INVALID', `${value.name} must be a constant.`, {
      value: value.name,
    });
  }
  return Array.from(value.constant.data as ArrayLike<number | bigint>, Number);
}
