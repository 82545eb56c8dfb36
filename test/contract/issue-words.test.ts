import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkValue, exampleAt } from '../../server/contract/issue-words.ts'
import { problemsOf } from '../../server/contract/problems.ts'

const told = (schema: z.ZodType, value: unknown): string[] =>
  (checkValue(schema, value).error?.issues ?? []).map(({ message }) => message)

describe('a rule that was broken', () => {
  it.each<[string, z.ZodType, unknown, string]>([
    ['a missing field', z.string(), undefined, 'is missing'],
    ['a text for a number', z.number(), 'soon', 'must be a number'],
    ['a part of a whole number', z.int(), 1.5, 'must be a whole number'],
    ['a number that is none', z.number(), Number.NaN, 'must be a number'],
    ['a number for a text', z.string(), 7, 'must be text'],
    ['a text for a switch', z.boolean(), 'yes', 'must be true or false'],
    ['a text for a list', z.array(z.string()), 'a', 'must be a list'],
    ['a list for an object', z.object({}), [], 'must be a group of named values'],
    ['a number below its least', z.number().min(100), 99, 'must be at least 100'],
    ['a number above its most', z.number().max(100), 101, 'must be at most 100'],
    ['a number that must be more', z.number().positive(), 0, 'must be more than 0'],
    ['an empty text', z.string().min(1), '', 'must not be empty'],
    ['a short text', z.string().min(16), 'short', 'must have at least 16 characters'],
    ['a long text', z.string().max(1), 'ab', 'must have at most 1 character'],
    ['an empty list', z.array(z.string()).min(1), [], 'must not be empty'],
    ['a pair of three', z.array(z.number()).length(2), [1, 2, 3], 'must have exactly 2 entries'],
    ['an unknown choice', z.enum(['hold', 'exit', 'stay']), 'go', 'must be hold, exit or stay'],
    ['the wrong literal', z.literal('forward'), 'drop', 'must be forward'],
    ['no address', z.email(), 'ana', 'must be an e-mail address, for example ana@example.com'],
    ['no time', z.iso.datetime(), 'now', 'must be an ISO 8601 time in UTC, for example 2026-04-27T18:00:00Z'],
    ['a wrong beginning', z.string().startsWith('/'), 'a', 'must begin with /'],
    ['no multiple', z.number().multipleOf(5), 7, 'must be a multiple of 5'],
    ['none of two forms', z.union([z.number(), z.array(z.number())]), 'a', 'must be a number or a list'],
    ['an unnamed rule', z.string().refine(() => false), 'a', 'is not valid'],
    ['a rule with words of its own', z.number().min(1, 'is too few'), 0, 'is too few'],
  ])('is told in plain words: %s', (_, schema, value, words) => {
    expect(told(schema, value)).toEqual([words])
  })

  it('never reads like the library', () => {
    const schema = z.object({ a: z.tuple([z.number()]), b: z.map(z.string(), z.string()), c: z.set(z.int()) })
    for (const message of told(schema, { a: [], b: 1, c: new Set(['x']) }))
      expect(message).not.toMatch(/Invalid|expected|received|Too /)
  })
})

describe('an example', () => {
  const entry = (kind: string, example: string) =>
    z.object({ kind: z.literal(kind), url: z.string().meta({ description: 'u', examples: [example] }) })
  const schema = z.object({
    name: z
      .string()
      .min(3)
      .optional()
      .meta({ description: 'n', examples: ['Frankfurt'] }),
    list: z
      .array(z.string().min(9))
      .default([])
      .meta({ description: 'l', examples: [['10.0.0.0/8']] }),
    nodes: z.array(z.discriminatedUnion('kind', [entry('json', 'http://a'), entry('caddy', 'http://b')])),
  })

  it('is that of the field, of its entry, and of the kind that was chosen', () => {
    expect(exampleAt(schema, ['name'], {})).toBe('Frankfurt')
    expect(exampleAt(schema, ['list', 3], {})).toBe('10.0.0.0/8')
    expect(exampleAt(schema, ['nodes', 0, 'url'], { nodes: [{ kind: 'caddy' }] })).toBe('http://b')
    expect(exampleAt(schema, ['nodes', 0, 'nothing'], { nodes: [{ kind: 'caddy' }] })).toBeUndefined()
  })

  it('follows the rule in the answer to a request', () => {
    const value = { name: 'F', list: ['a'], nodes: [] }
    const { error } = checkValue(schema, value)
    expect(error && problemsOf(error, { schema, value })).toEqual([
      { path: 'name', message: 'must have at least 3 characters, for example Frankfurt' },
      { path: 'list[0]', message: 'must have at least 9 characters, for example 10.0.0.0/8' },
    ])
  })
})
