import { z } from 'zod'
import { coreOf, metaOf } from '../contract/issue-words.ts'

/** One key of a configuration file, as its schema describes it. */
export interface ConfigKey {
  /** `nodes[].url`, `relay.tokens`. */
  path: string
  /** Where entries are of several kinds: the kind whose key this is. */
  kind: string | null
  /** The key that tells the kinds apart: `kind`, `type`. */
  by: string
  schema: z.ZodType
  description: string | null
  examples: readonly unknown[]
  /** What holds where the key is absent; undefined where nothing does. */
  standard: unknown
  isRequired: boolean
}

const standardOf = (schema: z.ZodType): unknown =>
  schema instanceof z.ZodDefault ? schema.def.defaultValue : metaOf(schema).default

/** Objects that a value may be, by the path of their keys below it. */
const objectsIn = (
  schema: z.ZodType,
  path: string,
): { at: string; kind: string | null; by: string; shape: z.ZodObject }[] => {
  const core = coreOf(schema)
  if (core instanceof z.ZodObject) return [{ at: path, kind: null, by: 'kind', shape: core }]
  if (core instanceof z.ZodArray) return objectsIn(core.element as z.ZodType, `${path}[]`)
  if (core instanceof z.ZodDiscriminatedUnion) {
    const { discriminator } = core.def
    return core.options.flatMap((option) => {
      const shape = coreOf(option as z.ZodType)
      if (!(shape instanceof z.ZodObject)) return []
      const kind = coreOf(shape.shape[discriminator] as z.ZodType)
      return [
        {
          at: path,
          kind: kind instanceof z.ZodLiteral ? String(kind.value) : null,
          by: discriminator,
          shape,
        },
      ]
    })
  }
  if (core instanceof z.ZodUnion) return core.options.flatMap((each) => objectsIn(each as z.ZodType, path))
  return []
}

/**
 * Every key of a file, in the order of its schema. What a record holds (`detect.nodes`) has the keys of something that is described already.
 *
 * @param whole keys that are described elsewhere: they are named, and what is below them is not
 */
export const keysOf = (schema: z.ZodType, whole: readonly string[] = []): ConfigKey[] => {
  const keys: ConfigKey[] = []
  const seen = new Set<string>()
  const walk = (part: z.ZodType, path: string, within: { kind: string; by: string } | null): void => {
    for (const { at, kind, by, shape } of objectsIn(part, path)) {
      const inner = kind === null ? within : { kind, by }
      for (const [name, field] of Object.entries(shape.shape) as [string, z.ZodType][]) {
        const key = at === '' ? name : `${at}.${name}`
        const ofKind = inner?.kind ?? null
        // A range of ports may stand alone and in a list: its keys are the same.
        const known = `${ofKind} ${key.replaceAll('[]', '')}`
        if (seen.has(known)) continue
        seen.add(known)
        const { description = null, examples = [] } = metaOf(field)
        keys.push({
          path: key,
          kind: ofKind,
          by: inner?.by ?? by,
          schema: field,
          description,
          examples,
          standard: standardOf(field),
          isRequired: !field.safeParse(undefined).success,
        })
        if (!whole.includes(key)) walk(field, key, inner)
      }
    }
  }
  walk(schema, '', null)
  return keys
}
