import { z } from 'zod'
import { controlConfigSchema } from './control-config.ts'
import { idSchema } from './ids.ts'
import { proxyConfigSchema } from './proxy-config.ts'
import { pushConfigSchema } from './push-config.ts'
import { relayConfigSchema } from './relay-config.ts'

export type { ControlConfig } from './control-config.ts'
export { type ProxyConfig, proxyConfigSchema } from './proxy-config.ts'
export { type PushConfig, pushConfigSchema } from './push-config.ts'
export { type RelayConfig, relayConfigSchema } from './relay-config.ts'
export { type RouteConfig, routeSchema } from './route-config.ts'

/** One node: an entry of `embedded` in `tidegate.yaml`, or, with `control`, the file of `tidegate node --config`. */
export const nodeConfigSchema = z
  .object({
    id: idSchema.meta({
      description: 'Name of the node, a lower-case DNS label; the same as in `tidegate.yaml`',
      examples: ['fra-1'],
    }),
    region: idSchema.meta({ description: 'Id of its region', examples: ['fra'] }),
    data: z
      .string()
      .optional()
      .meta({
        description:
          'Folder for the durable wish of a drain and the control token, relative to the configuration file. Without it: `nodes/ID` in the data folder (`TIDEGATE_DATA`)',
        examples: ['./data/fra-1'],
      }),
    control: controlConfigSchema.optional().meta({
      description: 'The listener at which the collector asks and orders',
      examples: [{ host: '10.0.0.5', port: 9460, token: '${CONTROL_TOKEN}' }],
    }),
    proxy: proxyConfigSchema.optional().meta({
      description: 'The proxy: public listeners that forward to targets',
      examples: [{ routes: [] }],
    }),
    relay: relayConfigSchema.optional().meta({
      description: 'The relay: hosts behind firewalls hold tunnels to it, visitors reach them through it',
      examples: [{ port: 8081, tokens: { 'host-a': '${HOST_A_TOKEN}' } }],
    }),
    push: pushConfigSchema.optional().meta({
      description: 'Push notifications over one APNs session',
      examples: [
        {
          host: 'api.push.apple.com',
          topic: 'com.example.app',
          keyId: 'ABC123DEFG',
          teamId: 'DEF123GHIJ',
          keyPath: './AuthKey.p8',
        },
      ],
    }),
  })
  .strict()
export type NodeConfig = z.infer<typeof nodeConfigSchema>
