// `npm run docs`: writes the documents that are made from the code. Tests compare them, so a change without this is noticed.

import { writeFileSync } from 'node:fs'
import { z } from 'zod'
import { signalsDocument } from '../server/collector/signals/signals-document.ts'
import { configurationDocument } from '../server/config/configuration-document.ts'
import { configSchema } from '../server/config/schema.ts'

const write = (name, text) => {
  writeFileSync(new URL(`../docs/${name}`, import.meta.url), text)
  process.stdout.write(`docs     docs/${name}\n`)
}

write('signals.md', signalsDocument())
write(
  'tidegate.schema.json',
  `${JSON.stringify(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }), null, 2)}\n`,
)
write('configuration.md', configurationDocument())
