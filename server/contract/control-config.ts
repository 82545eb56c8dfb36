import { z } from 'zod'
import { bindHost, port } from './config-fields.ts'

/** The listener at which the collector asks a node and orders it. */
export const controlConfigSchema = z
  .object({
    host: bindHost('the control listener binds', '127.0.0.1'),
    port: port.default(9460).meta({ description: 'TCP port; 0 takes a free one', examples: [9460] }),
    token: z
      .string()
      .min(16)
      .max(512)
      .optional()
      .meta({
        description:
          'Who may ask and order, 16 to 512 characters. A secret: refer to it. Without it: one is made and kept in `data`',
        examples: ['${CONTROL_TOKEN}'],
      }),
  })
  .strict()
export type ControlConfig = z.infer<typeof controlConfigSchema>
