// GstStructures, which gstreamer-superficial hands over as text: "name, field=(type)value, …;".

export type StructureFields = Readonly<Record<string, string | number | boolean>>;

const numeric = /^(?:u?int|u?int64|gu?int64|double|float|uint|gdouble|gint)$/;
const field = /,\s*([\w-]+)=\(([\w:]+)\)("(?:[^"\\]|\\.)*"|[^,;]*)/g;

/** Fields of simple types; nested structures and lists stay text. Not a structure: no fields. */
export function parseStructure(text: unknown): StructureFields {
  if (typeof text !== 'string') return {};
  const fields: Record<string, string | number | boolean> = {};
  for (const [, name = '', type = '', raw = ''] of text.matchAll(field)) {
    const value = raw.startsWith('"') ? raw.slice(1, -1).replaceAll(/\\(.)/g, '$1') : raw.trim();
    if (numeric.test(type)) fields[name] = Number(value);
    else if (type === 'boolean') fields[name] = value === 'true';
    else fields[name] = value;
  }
  return fields;
}

export function numberField(fields: StructureFields, name: string): number {
  const value = fields[name];
  return typeof value === 'number' ? value : NaN;
}

export function textField(fields: StructureFields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}
