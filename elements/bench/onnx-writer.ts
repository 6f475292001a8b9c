// Writes ONNX graphs: as much of the format (onnx.proto3, protobuf encoding) as the benchmark's graphs
// need. Model files are written by the core, not here.

export type Attribute = number | { readonly float: number } | string | readonly number[];

const elementType = { float32: 1, int64: 7 } as const;
const attributeType = { float: 1, integer: 2, text: 3, integers: 7 } as const;
const wire = { varint: 0, bytes: 2, fixed32: 5 } as const;

/** One protobuf message under construction. */
class Message {
  private readonly chunks: Uint8Array[] = [];

  integer(field: number, value: number): this {
    return this.varint(BigInt(field * 8 + wire.varint)).varint(BigInt(value));
  }

  float(field: number, value: number): this {
    this.varint(BigInt(field * 8 + wire.fixed32));
    this.chunks.push(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.varint(BigInt(field * 8 + wire.bytes)).varint(BigInt(value.length));
    this.chunks.push(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.finish());
  }

  finish(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.chunks));
  }

  private varint(value: bigint): this {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value); // negative numbers take ten bytes
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
    this.chunks.push(Uint8Array.from(bytes));
    return this;
  }
}

function tensor(
  name: string,
  shape: readonly number[],
  type: keyof typeof elementType,
  data: Float32Array | BigInt64Array,
): Message {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  return message
    .integer(2, elementType[type])
    .text(8, name)
    .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function valueInfo(name: string, shape: readonly number[]): Message {
  const dimensions = new Message();
  for (const size of shape) dimensions.message(1, new Message().integer(1, size));
  const tensorType = new Message().integer(1, elementType.float32).message(2, dimensions);
  return new Message().text(1, name).message(2, new Message().message(1, tensorType));
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'number')
    return message.integer(3, value).integer(20, attributeType.integer);
  if (typeof value === 'string') return message.text(4, value).integer(20, attributeType.text);
  if ('float' in value) return message.float(2, value.float).integer(20, attributeType.float);
  for (const item of value) message.integer(8, item);
  return message.integer(20, attributeType.integers);
}

/** Values are named by strings, as in the format itself. All inputs and outputs are float. */
export class OnnxGraph {
  private readonly nodes: Message[] = [];
  private readonly constants = new Map<string, Message>();
  private readonly inputs: Message[] = [];
  private readonly outputs: Message[] = [];
  private counter = 0;

  input(name: string, shape: readonly number[]): string {
    this.inputs.push(valueInfo(name, shape));
    return name;
  }

  output(name: string, shape: readonly number[], value: string): void {
    this.add('Identity', [value], [name]);
    this.outputs.push(valueInfo(name, shape));
  }

  /** A node with one output. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
  ): string {
    const name = this.fresh();
    this.add(type, inputs, [name], attributes);
    return name;
  }

  /** Cuts a vector into pieces of the given lengths. */
  split(value: string, lengths: readonly number[]): string[] {
    const names = lengths.map(() => this.fresh());
    this.add('Split', [value, this.integers(lengths)], names, { axis: 0 });
    return names;
  }

  scalar(value: number): string {
    const name = `scalar_${value}`;
    this.constants.set(name, tensor(name, [], 'float32', Float32Array.of(value)));
    return name;
  }

  tensor(shape: readonly number[], data: Float32Array): string {
    const name = this.fresh();
    this.constants.set(name, tensor(name, shape, 'float32', data));
    return name;
  }

  integers(values: readonly number[]): string {
    const name = `integers_${values.join('_')}`;
    this.constants.set(
      name,
      tensor(name, [values.length], 'int64', BigInt64Array.from(values, BigInt)),
    );
    return name;
  }

  /** The model file: IR version 8, opset 17. */
  finish(): Uint8Array {
    const graph = new Message();
    for (const node of this.nodes) graph.message(1, node);
    graph.text(2, 'graph');
    for (const constant of this.constants.values()) graph.message(5, constant);
    for (const input of this.inputs) graph.message(11, input);
    for (const output of this.outputs) graph.message(12, output);
    const opset = new Message().text(1, '').integer(2, 17);
    return new Message().integer(1, 8).message(7, graph).message(8, opset).finish();
  }

  private fresh(): string {
    this.counter += 1;
    return `value_${this.counter}`;
  }

  private add(
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Record<string, Attribute> = {},
  ): void {
    const node = new Message();
    for (const input of inputs) node.text(1, input);
    for (const output of outputs) node.text(2, output);
    node.text(4, type);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    this.nodes.push(node);
  }
}
