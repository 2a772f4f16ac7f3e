import type { Attribute, Graph, Value } from './graph.ts';
import { formatShape } from './shape.ts';

/** Constants up to this many numbers are printed where they are used; most lists of sizes and axes are. */
const shownNumbers = 8;

const formatType = (value: Value): string => `${value.dtype}${formatShape(value.shape)}`;

function formatAttribute(value: Attribute): string {
  if (typeof value === 'object' && 'float' in value) return value.float.toString();
  return Array.isArray(value) ? `[${value.join(', ')}]` : JSON.stringify(value);
}

function formatOperand(value: Value | undefined): string {
  if (!value) return '_';
  const { constant } = value;
  // Small constants read better as numbers than as names.
  if (constant && constant.data.length <= shownNumbers) {
    const numbers = Array.from(constant.data as ArrayLike<number | bigint>, String).join(', ');
    return constant.shape.length === 0 ? numbers : `[${numbers}]`;
  }
  return `%${value.name}`;
}

/**
 * A graph as text, one node a line: `%name: type = Operator(%input, ...) {attribute: value}`. For reading, reviewing and
 * golden tests; it is not read back.
 */
export function printGraph(graph: Graph): string {
  const lines = graph.inputs.map((value) => `input %${value.name}: ${formatType(value)}`);
  for (const value of graph.initializers) {
    if (value.constant && value.constant.data.length > shownNumbers)
      lines.push(`weight %${value.name}: ${formatType(value)}`);
  }
  for (const { operator, inputs, outputs, attributes } of graph.nodes) {
    const left = outputs.map((value) => `%${value.name}: ${formatType(value)}`).join(', ');
    const listed = Object.entries(attributes).map(([name, value]) => `${name}: ${formatAttribute(value)}`);
    const domain = operator.domain === '' ? '' : `${operator.domain}.`;
    const suffix = listed.length > 0 ? ` {${listed.join(', ')}}` : '';
    lines.push(`${left} = ${domain}${operator.opType}(${inputs.map(formatOperand).join(', ')})${suffix}`);
  }
  for (const { name, value } of graph.outputs) lines.push(`output ${name} = %${value.name}`);
  return `${lines.join('\n')}\n`;
}
