import { z } from 'zod'

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a group of named values',
  record: 'a group of named values',
  date: 'a time',
  null: 'null',
  undefined: 'absent',
}

const FORMATS: Readonly<Record<string, string>> = {
  email: 'must be an e-mail address, for example ana@example.com',
  url: 'must be a URL, for example https://gate.example.com',
  datetime: 'must be an ISO 8601 time in UTC, for example 2026-04-27T18:00:00Z',
  date: 'must be a date, for example 2026-04-27',
  uuid: 'must be a UUID, for example 123e4567-e89b-42d3-a456-426614174000',
  ulid: 'must be a ULID, for example 01ARZ3NDEKTSV4RRFFQ69G5FAV',
  ipv4: 'must be an IPv4 address, for example 10.0.0.7',
  ipv6: 'must be an IPv6 address, for example fd00::7',
  safeint: 'must be a whole number',
}

const COUNTED: Readonly<Record<string, [one: string, many: string]>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
  set: ['entry', 'entries'],
  map: ['entry', 'entries'],
  object: ['entry', 'entries'],
}

const counted = (count: number, origin: string): string => {
  const [one, many] = COUNTED[origin] ?? ['entry', 'entries']
  return `${count} ${count === 1 ? one : many}`
}

/** `a`, `a or b`, `a, b or c`. */
const either = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

type Raw = z.core.$ZodRawIssue
type Of<Code extends Raw['code']> = Extract<Raw, { code: Code }>

const limitWords = (
  issue: { origin: string; inclusive?: boolean | undefined; exact?: boolean | undefined },
  limit: number | bigint,
  side: 'least' | 'most',
): string => {
  const count = Number(limit)
  if (issue.origin === 'number' || issue.origin === 'int' || issue.origin === 'bigint') {
    if (issue.inclusive === false) return `must be ${side === 'least' ? 'more' : 'less'} than ${count}`
    return `must be at ${side} ${count}`
  }
  if (issue.exact) return `must have exactly ${counted(count, issue.origin)}`
  if (side === 'least' && count === 1) return 'must not be empty'
  return `must have at ${side} ${counted(count, issue.origin)}`
}

const formatWords = (issue: Of<'invalid_format'>): string => {
  const { prefix, suffix, includes, pattern } = issue as Record<string, unknown>
  if (issue.format === 'starts_with') return `must begin with ${String(prefix)}`
  if (issue.format === 'ends_with') return `must end with ${String(suffix)}`
  if (issue.format === 'includes') return `must contain ${String(includes)}`
  const known = FORMATS[issue.format]
  if (known !== undefined) return known
  return typeof pattern === 'string' ? `must match ${pattern}` : 'is not written as it should be'
}

/** What each of several forms asks for: `must be a number or a list`. */
const unionWords = (issue: Of<'invalid_union'>): string => {
  const { options } = issue as { options?: unknown[] }
  if (Array.isArray(options) && options.length > 0) return `must be ${either(options.map(String))}`
  const asked = (issue.errors ?? []).flatMap(([first]) =>
    first === undefined || first.path.length > 0 ? [] : [first.message],
  )
  const forms = asked.filter((message) => message.startsWith('must be ')).map((message) => message.slice(8))
  return forms.length === 0
    ? 'has none of the forms that are possible here'
    : `must be ${either([...new Set(forms)])}`
}

/**
 * The rule that an issue is about, in words that follow the name of the field: `must be at least 100`, `is missing`. What a schema
 * says itself comes before it; undefined for what is told key by key (`unknownKeysOf`).
 */
export const ruleOf = (issue: Raw): string | undefined => {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing'
      return `must be ${KINDS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be ${either(issue.values.map(String))}`
    case 'too_small':
      return limitWords(issue, issue.minimum, 'least')
    case 'too_big':
      return limitWords(issue, issue.maximum, 'most')
    case 'invalid_format':
      return formatWords(issue)
    case 'not_multiple_of':
      return `must be a multiple of ${String(issue.divisor)}`
    case 'invalid_union':
      return unionWords(issue)
    case 'invalid_key':
      return 'has a name that is not allowed here'
    case 'invalid_element':
      return 'has an entry that is not allowed here'
    case 'custom':
      return 'is not valid'
    default:
      return undefined
  }
}

/** Checks a value that people wrote: every rule that it breaks is told by {@link ruleOf}, unless its schema has words of its own. */
export const checkValue = <T extends z.ZodType>(
  schema: T,
  value: unknown,
): z.ZodSafeParseResult<z.output<T>> => schema.safeParse(value, { error: ruleOf })

/** What a schema is when nothing is around it any more: optional, with a default, or read into another form. */
export const coreOf = (schema: z.ZodType): z.ZodType => {
  const inner = innerOf(schema)
  if (inner !== null) return coreOf(inner)
  return schema instanceof z.ZodPipe ? coreOf(schema.in as z.ZodType) : schema
}

const innerOf = (schema: z.ZodType): z.ZodType | null =>
  schema instanceof z.ZodOptional ||
  schema instanceof z.ZodNullable ||
  schema instanceof z.ZodDefault ||
  schema instanceof z.ZodPrefault
    ? (schema.unwrap() as z.ZodType)
    : null

export interface SchemaText {
  description?: string
  examples?: unknown[]
  /** Where the default is not the schema's own. */
  default?: unknown
}

/** What is said of a schema by `.meta()`, whether inside or outside of what makes it optional. */
export const metaOf = (schema: z.ZodType): SchemaText => {
  const inner = innerOf(schema)
  const { description, examples, default: standard } = schema.meta() ?? {}
  return {
    ...(inner === null ? {} : metaOf(inner)),
    ...(description === undefined ? {} : { description }),
    ...(Array.isArray(examples) ? { examples } : {}),
    ...(standard === undefined ? {} : { default: standard }),
  }
}

const partOf = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined

/** The schema below a key, for each form that a value may have. */
const below = (schema: z.ZodType, key: PropertyKey, value: unknown): z.ZodType[] => {
  const core = coreOf(schema)
  if (core instanceof z.ZodObject) return key in core.shape ? [core.shape[String(key)] as z.ZodType] : []
  if (core instanceof z.ZodArray) return [core.element as z.ZodType]
  if (core instanceof z.ZodRecord) return [core.valueType as z.ZodType]
  if (core instanceof z.ZodTuple) return core.def.items.filter((_, index) => index === key) as z.ZodType[]
  if (core instanceof z.ZodDiscriminatedUnion) {
    const { discriminator } = core.def
    const named = core.options.filter((option) => {
      const shape = coreOf(option as z.ZodType)
      return (
        shape instanceof z.ZodObject &&
        coreOf(shape.shape[discriminator] as z.ZodType).safeParse(partOf(value, discriminator)).success
      )
    })
    return (named.length > 0 ? named : core.options).flatMap((option) =>
      below(option as z.ZodType, key, value),
    )
  }
  if (core instanceof z.ZodUnion)
    return core.options.flatMap((option) => below(option as z.ZodType, key, value))
  return []
}

/** An example of what may stand at a path, as the schema has it; undefined where nobody gave one. */
export const exampleAt = (schema: z.ZodType, path: readonly PropertyKey[], value: unknown): unknown => {
  const [key, ...rest] = path
  const whole = metaOf(schema).examples?.[0]
  if (key === undefined) return whole
  for (const part of below(schema, key, value)) {
    const example = exampleAt(part, rest, partOf(value, key))
    if (example !== undefined) return example
  }
  // A field without an example has none: another field's would be wrong here, and a password's a bad idea.
  if (coreOf(schema) instanceof z.ZodObject) return undefined
  // An entry of a list or a record has no name: an example of the whole has an entry too.
  if (rest.length > 0 || typeof whole !== 'object' || whole === null) return undefined
  return Array.isArray(whole) ? whole[0] : Object.values(whole)[0]
}
