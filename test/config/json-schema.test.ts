import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { configSchema } from '../../server/config/schema.ts'

const file = new URL('../../docs/tidegate.schema.json', import.meta.url)

it('keeps docs/tidegate.schema.json equal to the schema that is checked', () => {
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' })
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(schema)))
})
