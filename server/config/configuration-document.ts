import type { z } from 'zod'
import { nodeConfigSchema } from '../contract/node-config.ts'
import { type ConfigKey, keysOf } from './keys.ts'
import { configSchema } from './schema.ts'
import { yamlOf } from './yaml-text.ts'

/** A short file of each kind, as shown at the top of the document; both are checked. */
export const EXAMPLE_FILES = {
  'tidegate.yaml': `server: { url: https://gate.example.com, trustedProxies: [10.0.0.5] }
regions:
  - { id: fra, name: Frankfurt, at: [50.11, 8.68], capacity: { tunnels: 2000 } }
  - { id: iad, name: Ashburn, at: [38.95, -77.45] }
nodes:
  - { id: fra-1, region: fra, kind: tidegate, url: https://fra-1.internal:9460, token: \${FRA1_TOKEN} }
  - { id: push-1, region: iad, kind: json, url: https://push.example.com/health, map: { ok: /ok, connections: /stats/open } }
detect:
  push.stuck: { received: 50 }
retention: { raw: 48h, events: 14d, size: 10GB }
`,
  'node.yaml': `id: fra-1
region: fra
control: { host: 10.0.0.5, port: 9460, token: \${CONTROL_TOKEN} }
proxy:
  routes:
    - name: db
      match: { ports: 5432 }
      action: { type: forward, targets: [{ host: 10.0.0.7, port: 5432 }] }
relay: { port: 8081, tokens: { host-a: \${HOST_A_TOKEN} } }
`,
} as const

/** `embedded` holds whole nodes, and has the keys of the other file; the names of a map stand with the adapters. */
const WHOLE = ['embedded', 'nodes[].map']

/** What the document lists of each file. */
export const CONFIG_FILES: Record<keyof typeof EXAMPLE_FILES, { schema: z.ZodType; keys: ConfigKey[] }> = {
  'tidegate.yaml': { schema: configSchema, keys: keysOf(configSchema, WHOLE) },
  'node.yaml': { schema: nodeConfigSchema, keys: keysOf(nodeConfigSchema) },
}

const code = (value: unknown): string => `\`${yamlOf(value).replaceAll('|', '\\|')}\``

/** What holds where nothing is written: a default, nothing, or a mistake. */
const standardOf = ({ standard, isRequired }: ConfigKey): string => {
  if (isRequired) return '**required**'
  return standard === undefined ? '–' : code(standard)
}

const rowOf = (key: ConfigKey): string =>
  `| \`${key.path}\` | ${standardOf(key)} | ${key.examples.map(code).join(' or ')} | ${(key.description ?? '').replaceAll('|', '\\|')} |`

const tableOf = (keys: readonly ConfigKey[]): string =>
  `| key | default | example | meaning |
| --- | --- | --- | --- |
${keys.map(rowOf).join('\n')}
`

const topOf = (path: string): string => path.replace(/[.[].*$/, '')

/** Keys of the file itself in front, then a section for each key that has others below it, and within it one for each kind of entry. */
const sectionsOf = (keys: readonly ConfigKey[]): string => {
  const tops = [...new Set(keys.map(({ path }) => topOf(path)))]
  const partOf = (top: string) => keys.filter(({ path }) => topOf(path) === top)
  const small = tops.filter((top) => partOf(top).length === 1)
  const parts = tops
    .filter((top) => !small.includes(top))
    .map((top) => {
      const part = partOf(top)
      const kinds = [...new Set(part.map(({ kind }) => kind).filter((kind) => kind !== null))]
      const ofKinds = kinds.map((kind) => {
        const ofKind = part.filter((key) => key.kind === kind)
        return `#### \`${ofKind[0]?.by}: ${kind}\`\n\n${tableOf(ofKind)}`
      })
      return [`### \`${top}\`\n\n${tableOf(part.filter(({ kind }) => kind === null))}`, ...ofKinds].join('\n')
    })
  const alone = keys.filter(({ path }) => small.includes(path))
  return [...(alone.length === 0 ? [] : [tableOf(alone)]), ...parts].join('\n')
}

/** `docs/configuration.md`, from the schemas. */
export const configurationDocument =
  (): string => `<!-- Made from the schemas in server/config/schema.ts and server/contract/node-config.ts by \`npm run docs\`; edit those. -->

# Configuration

Two files, both YAML: \`tidegate.yaml\` tells the control room what to watch, \`node.yaml\` tells one node what to do. A key that is not
listed here is a mistake and not a silent default. \`npx tidegate check-config FILE\` prints every problem at once, each with its path, value, rule and example.

\`\${NAME}\` in a text is replaced by the environment variable, \`\${file:/path}\` by what is in the file; secrets are written in no other way.
Relative paths start at the folder of the file. Units stand in the names: \`Ms\` is milliseconds, \`Bytes\` bytes.

\`tidegate.yaml\` is read again when it changes, and on SIGHUP. What is invalid is refused as a whole while the old one stays in force; what needs
a restart is named. For editors there is a JSON Schema: \`# yaml-language-server: $schema=docs/tidegate.schema.json\`.

\`\`\`yaml
# tidegate.yaml
${EXAMPLE_FILES['tidegate.yaml']}\`\`\`

\`\`\`yaml
# node.yaml
${EXAMPLE_FILES['node.yaml']}\`\`\`

## tidegate.yaml

${sectionsOf(CONFIG_FILES['tidegate.yaml'].keys)}
## node.yaml

${sectionsOf(CONFIG_FILES['node.yaml'].keys)}`
