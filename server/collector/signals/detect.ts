import { z } from 'zod'
import { idSchema, type SignalKind } from '../../contract/index.ts'
import { SIGNAL_RULES } from './registry.ts'
import type { SignalRule } from './rule.ts'
import { fieldsOf } from './threshold.ts'

type Rule = (typeof SIGNAL_RULES)[number]
type RuleFor<Kind extends SignalKind> = Extract<Rule, { readonly kind: Kind }>
type ThresholdsFor<Kind extends SignalKind> = z.output<RuleFor<Kind>['thresholds']>

/** Thresholds of some signals; what is absent is not changed. */
export type SignalOptions = {
  [Kind in SignalKind]?: { [Field in keyof ThresholdsFor<Kind>]?: number | undefined } | undefined
}

/** `detect` of `tidegate.yaml`: for all, and for one region or node. */
export type DetectOptions = SignalOptions & {
  regions?: Record<string, SignalOptions> | undefined
  nodes?: Record<string, SignalOptions> | undefined
}

/** A field without its default: where it is absent, what is less specific holds. */
const optionsOf = (rule: SignalRule): z.ZodType =>
  z
    .strictObject(
      Object.fromEntries(
        fieldsOf(rule.thresholds).map(({ name, standard, range, text }) => [
          name,
          range
            .meta({
              description: `${text.description.charAt(0).toUpperCase()}${text.description.slice(1)}; unit: ${text.unit === 's' ? 'seconds' : text.unit}`,
              default: standard,
              examples: [standard],
            })
            .optional(),
        ]),
      ),
    )
    .meta({
      description: `Thresholds of the signal \`${rule.kind}\`, which is one key with a dot in it`,
      examples: [
        Object.fromEntries(
          fieldsOf(rule.thresholds)
            .slice(0, 1)
            .map(({ name, standard }) => [name, standard]),
        ),
      ],
    })

const signalsOf = (rules: readonly SignalRule[]): Record<string, z.ZodType> =>
  Object.fromEntries(
    rules
      .filter((rule) => fieldsOf(rule.thresholds).length > 0)
      .map((rule) => [rule.kind, optionsOf(rule).optional()]),
  )

const rules: readonly SignalRule[] = SIGNAL_RULES
const forRegion = z.strictObject(signalsOf(rules))
/** A region's own signals are not a node's to change. */
const forNode = z.strictObject(signalsOf(rules.filter((rule) => rule.of === 'node')))

/** `detect` in the configuration: every threshold of every signal, in its range. */
export const detectSchema = z.strictObject({
  ...signalsOf(rules),
  regions: z
    .record(idSchema, forRegion)
    .optional()
    .meta({
      description: 'The same for one region, by its id',
      examples: [{ fra: { 'tunnel.storm': { share: 0.5 } } }],
    }),
  nodes: z
    .record(idSchema, forNode)
    .optional()
    .meta({
      description:
        'The same for one node, by its id, which comes before that of its region; without the signals of regions',
      examples: [{ 'fra-1': { 'push.stuck': { withinSeconds: 120 } } }],
    }),
}) as unknown as z.ZodType<DetectOptions, DetectOptions>

/** What holds for one signal in one place: that of the node before that of the region before that for all, field by field. */
export const thresholdsFor = <Thresholds extends z.ZodObject>(
  options: DetectOptions,
  rule: Pick<SignalRule<unknown, Thresholds>, 'kind' | 'thresholds'>,
  where: { region: string; node?: string | undefined },
): z.output<Thresholds> => {
  const layers: (Record<string, number | undefined> | undefined)[] = [
    options[rule.kind],
    options.regions?.[where.region]?.[rule.kind],
    where.node === undefined ? undefined : options.nodes?.[where.node]?.[rule.kind],
  ]
  const written = layers.flatMap((layer) =>
    Object.entries(layer ?? {}).filter(([, value]) => value !== undefined),
  )
  return rule.thresholds.parse(Object.fromEntries(written))
}
