import { z } from 'zod'
import { errorBodySchema } from '../answers/error.ts'
import { ERROR_CODES, type ErrorCode } from '../errors.ts'
import { errorCodesOf } from './error-codes.ts'
import type { Route, Routes } from './route.ts'
import { ROUTES } from './table.ts'

type Json = Record<string, unknown>
type Direction = 'input' | 'output'

/** An OpenAPI 3.1 document. */
export interface OpenApiDocument extends Json {
  openapi: string
  paths: Record<string, Record<string, Json>>
  components: { schemas: Record<string, Json>; responses: Record<string, Json>; securitySchemes: Json }
}

const DESCRIPTION = `The collector's API. Errors are \`{"error": {"code", "message", "facts"}}\`: branch on \`code\`. Lists are \`{items, nextCursor}\`: pass \`nextCursor\` back as \`cursor\` until it is null. Times are ISO 8601 in UTC. Fields may be added to answers, and are never renamed. What changes is streamed over the WebSocket at \`/live\`.`

/**
 * The document of every call, made from the table that the server binds. The schemas that have a name stand once in
 * `components`, and are referred to.
 *
 * @param version of the product
 */
export const openApiDocument = (version: string, routes: Routes = ROUTES): OpenApiDocument => {
  const schemas: Record<string, Json> = {}
  const known = { input: new Map<z.ZodType, Json>(), output: new Map<z.ZodType, Json>() }
  /** A schema as OpenAPI writes it; named ones go to `components` on the way. */
  const written = (schema: z.ZodType, io: Direction): Json => {
    const done = known[io].get(schema)
    if (done !== undefined) return done
    const whole: unknown = z.toJSONSchema(z.object({ it: schema }), {
      io,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => tidy(zodSchema, jsonSchema as Json, io),
    })
    const { $defs = {}, properties } = whole as { $defs?: Record<string, Json>; properties: { it: Json } }
    for (const [name, definition] of Object.entries($defs)) schemas[name] = repointed(definition)
    const json = repointed(properties.it)
    known[io].set(schema, json)
    return json
  }

  const responses = errorResponses(routes, written)
  const paths: OpenApiDocument['paths'] = {}
  for (const [operationId, route] of Object.entries(routes)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(operationId, route, written) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Tidegate',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The collector that answers this document' }],
    tags: [...new Set(Object.values(routes).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: sortedByName(schemas),
      responses: sortedByName(responses),
      securitySchemes: {
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'tidegate.session_token',
          description:
            'The cookie of a signed-in browser. Where `server.url` has a port, the name begins with `tidegate-PORT`; over https with `__Secure-`. A change then needs an Origin that is this server.',
        },
        token: { type: 'http', scheme: 'bearer', description: 'An API token' },
      },
    },
  }
}

const operation = (
  operationId: string,
  route: Route,
  written: (schema: z.ZodType, io: Direction) => Json,
): Json => ({
  operationId,
  tags: [route.tag],
  summary: route.summary,
  description: [
    route.description,
    route.role === null ? 'Needs no credentials.' : `Needs the role ${route.role}.`,
  ]
    .filter((part) => part !== undefined)
    .join('\n\n'),
  security: route.role === null ? [] : [{ session: [] }, { token: [] }],
  ...parametersOf(route, written),
  ...(route.hasBody
    ? {
        requestBody: {
          // No body counts as an empty object.
          required: !route.body.safeParse({}).success,
          content: { 'application/json': { schema: written(route.body, 'input') } },
        },
      }
    : {}),
  responses: { ...answersOf(route, written), ...errorsOf(route) },
})

const parametersOf = (route: Route, written: (schema: z.ZodType, io: Direction) => Json): Json => {
  const parameters = (['params', 'query'] as const).flatMap((part) => {
    const schema = route[part]
    if (!(schema instanceof z.ZodObject)) return []
    const { properties = {}, required = [] } = written(schema, 'input') as {
      properties?: Record<string, Json>
      required?: string[]
    }
    return Object.entries(properties).map(([name, { description, ...property }]) => ({
      name,
      in: part === 'params' ? 'path' : 'query',
      required: part === 'params' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: property,
    }))
  })
  return parameters.length === 0 ? {} : { parameters }
}

const answersOf = (route: Route, written: (schema: z.ZodType, io: Direction) => Json): Json => {
  if (!route.hasAnswer) return { [route.status]: { description: 'Done' } }
  const others = Object.entries(route.also ?? {}).map(([type, description]) => [
    type,
    { schema: { type: 'string', description } },
  ])
  const json =
    route.isText === true ? [] : [['application/json', { schema: written(route.answer, 'output') }]]
  const content = Object.fromEntries([...json, ...others])
  return {
    [route.status]: { description: route.status === 201 ? 'Created' : 'The answer', content },
    ...Object.fromEntries(
      Object.entries(route.alsoStatus ?? {}).map(([status, description]) => [
        status,
        { description, content },
      ]),
    ),
  }
}

/** The codes that a call can give, by status. */
const codesByStatus = (route: Route): [status: number, codes: ErrorCode[]][] => {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of errorCodesOf(route)) {
    const { status } = ERROR_CODES[code]
    // A call that says in its own shape that it is not ready (health) does so for this status.
    if (route.alsoStatus?.[status] !== undefined) continue
    byStatus.set(status, [...(byStatus.get(status) ?? []), code].sort())
  }
  return [...byStatus].sort(([a], [b]) => a - b)
}

const nameOf = (codes: readonly ErrorCode[]): string => codes.join('.')

const errorsOf = (route: Route): Json =>
  Object.fromEntries(
    codesByStatus(route).map(([status, codes]) => [
      status,
      { $ref: `#/components/responses/${nameOf(codes)}` },
    ]),
  )

/** Each set of codes that some call can give with one status, once. */
const errorResponses = (
  routes: Routes,
  written: (schema: z.ZodType, io: Direction) => Json,
): Record<string, Json> => {
  const error = written(errorBodySchema, 'output')
  const sets = Object.values(routes).flatMap((route) => codesByStatus(route).map(([, codes]) => codes))
  return Object.fromEntries(
    sets.map((codes) => [
      nameOf(codes),
      {
        description: codes.map((code) => `\`${code}\`: ${ERROR_CODES[code].meaning}`).join('\n\n'),
        content: {
          'application/json': {
            schema: {
              allOf: [
                error,
                { type: 'object', properties: { error: { properties: { code: { enum: codes } } } } },
              ],
            },
          },
        },
      },
    ]),
  )
}

const sortedByName = <T>(record: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))

/** What zod writes that a reader of the document would trip over. */
const tidy = (zodSchema: z.core.$ZodType, jsonSchema: Json, io: Direction): void => {
  // Answers may gain fields: a client made from this document must not refuse them.
  if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
  const meta = z.globalRegistry.get(zodSchema)
  if (meta?.override !== undefined) {
    delete jsonSchema.override
    Object.assign(jsonSchema, meta.override)
  }
  // Every whole number is "safe" in JavaScript; to say so of each makes a document of nothing else.
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  // The format says it in one word.
  if (jsonSchema.format === 'date-time' || jsonSchema.format === 'email') delete jsonSchema.pattern
}

/** References as this document has them. */
const repointed = (value: Json): Json =>
  JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json
