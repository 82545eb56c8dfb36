import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCodesOf } from '../../server/contract/api/error-codes.ts'
import { type OpenApiDocument, openApiDocument } from '../../server/contract/api/openapi.ts'
import type { Route } from '../../server/contract/api/route.ts'
import { ROUTES } from '../../server/contract/api/table.ts'
import { startServer, type TestServer } from './server.ts'

const routes: [name: string, route: Route][] = Object.entries(ROUTES)
const pathOf = (route: Route) => route.path.replace(/:(\w+)/g, '{$1}')

interface BodySchema {
  description?: string
  examples?: unknown[]
  properties?: Record<string, BodySchema>
}

/** The parts of a body that the document leaves without a word. */
const silentParts = (at: string, { description, properties = {} }: BodySchema): string[] => [
  ...(description === undefined ? [at] : []),
  ...Object.entries(properties).flatMap(([key, part]) => silentParts(`${at}.${key}`, part)),
]

describe('the OpenAPI document', () => {
  let server: TestServer
  let document: OpenApiDocument
  beforeAll(async () => {
    server = await startServer()
    document = (await server.asAdmin('GET', '/api/v1/openapi.json')).json
  })
  afterAll(() => server.close())

  it('is valid OpenAPI 3.1, every reference in it included', async () => {
    const validator = new Validator()
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
    const broken = { ...structuredClone(document), paths: { '/x': { get: { responses: { 200: {} } } } } }
    expect((await new Validator().validate(broken)).valid, 'the validator sees what is missing').toBe(false)
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
      ([, path = '']) => path,
    )
    expect(references.length).toBeGreaterThan(100)
    for (const path of new Set(references)) {
      const target = path
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document)
      expect([path, target]).toEqual([path, expect.any(Object)])
    }
    expect(JSON.stringify(document)).not.toContain('$defs')
  })

  it('is the one that the command prints, of this version', () => {
    expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument('1.2.3'))))
    expect(document.info).toMatchObject({ title: 'Tidegate', version: '1.2.3' })
  })

  it('has every call that the server takes, and no other', () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const served = server.api.routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    expect(documented.sort()).toEqual(served.sort())
  })

  it.each(routes)('says of %s who may call it, with what, and which codes it can give', (name, route) => {
    const operation = document.paths[pathOf(route)]?.[route.method.toLowerCase()] as Record<string, never>
    expect(operation).toMatchObject({ operationId: name, summary: route.summary })
    expect(operation.description).toContain(
      route.role === null ? 'Needs no credentials.' : `Needs the role ${route.role}.`,
    )
    const parameters = ((operation.parameters ?? []) as { name: string; in: string }[]).map(
      (parameter) => `${parameter.in} ${parameter.name}`,
    )
    expect(parameters.filter((each) => each.startsWith('path'))).toEqual(
      [...route.path.matchAll(/:(\w+)/g)].map(([, param]) => `path ${param}`),
    )
    expect(route.hasQuery).toBe(parameters.some((each) => each.startsWith('query')))
    expect(route.hasBody).toBe('requestBody' in operation)
    const told = JSON.stringify(operation.responses)
    for (const code of errorCodesOf(route)) {
      // Health says in its own shape that it is not ready.
      if (route.path !== '/healthz/ready') expect(told).toContain(code)
    }
  })

  it.each(routes)('says what each parameter of %s is for', (_, route) => {
    const operation = document.paths[pathOf(route)]?.[route.method.toLowerCase()] as Record<string, never>
    for (const { name, description } of (operation.parameters ?? []) as Record<string, unknown>[])
      expect([name, description]).toEqual([name, expect.stringMatching(/./)])
  })

  it.each(routes.filter(([, route]) => route.hasBody))(
    'says what each field of the body of %s is for, and shows a body that the call takes',
    (_, route) => {
      const operation = document.paths[pathOf(route)]?.[route.method.toLowerCase()]
      const { requestBody } = operation as unknown as {
        requestBody: { content: { 'application/json': { schema: BodySchema } } }
      }
      const { schema } = requestBody.content['application/json']
      expect(silentParts('body', schema)).toEqual([])
      expect(schema.examples?.length).toBeGreaterThan(0)
      for (const example of schema.examples ?? [])
        expect([example, route.body.safeParse(example)]).toEqual([
          example,
          expect.objectContaining({ success: true }),
        ])
    },
  )

  it('does not make clients refuse fields that answers may gain, and does say which ones a body may have', () => {
    const { schemas } = document.components
    expect(JSON.stringify(schemas)).not.toMatch(/"additionalProperties":false/)
    const body = document.paths['/api/v1/drains']?.post?.requestBody
    expect(JSON.stringify(body)).toContain('"additionalProperties":false')
  })
})
