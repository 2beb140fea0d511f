// Writes src/api/generated.ts from the API's description. With --check it only compares.
//
// A field that may be null is always there; one that is left out when there is nothing to say is optional.

import { readFileSync, writeFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);
const target = new URL('src/api/generated.ts', here);
const { components } = JSON.parse(readFileSync(new URL('../../docs/openapi.json', here), 'utf8'));

const isNull = (schema) => schema.type === 'null' || (Array.isArray(schema.type) && schema.type.includes('null'));
const mayBeNull = (schema) => isNull(schema) || (schema.oneOf ?? schema.anyOf ?? []).some(isNull);

function typeOf(schema, indent) {
  if (schema === undefined || Object.keys(schema).length === 0) return 'unknown';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return [...new Set(several.map((one) => typeOf(one, indent)))].join(' | ');
  if (schema.allOf) return schema.allOf.map((one) => typeOf(one, indent)).join(' & ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(' | ');
  switch (schema.type) {
    case 'null': return 'null';
    case 'string': return 'string';
    case 'integer': case 'number': return 'number';
    case 'boolean': return 'boolean';
    case 'array': {
      const item = typeOf(schema.items, indent);
      return /[|&]/.test(item) ? `(${item})[]` : `${item}[]`;
    }
    case 'object': return objectOf(schema, indent);
    default: return 'unknown';
  }
}

function objectOf(schema, indent) {
  if (!schema.properties) return `Record<string, ${typeOf(schema.additionalProperties, indent)}>`;
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties).map(([name, field]) => {
    const present = (schema.required ?? []).includes(name) || mayBeNull(field);
    const key = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
    return `${inner}${key}${present ? '' : '?'}: ${typeOf(field, inner)};\n`;
  });
  return `{\n${lines.join('')}${indent}}`;
}

const types = Object.entries(components.schemas).map(([name, schema]) => `export type ${name} = ${typeOf(schema, '')};\n`);
const text = `// Made from docs/openapi.json by types.mjs; change that, not this.\n\n${types.join('\n')}`;
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('src/api/generated.ts is not current: node types.mjs');
    process.exit(1);
  }
} else writeFileSync(target, text);
