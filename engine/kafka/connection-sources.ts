/** Where a setting comes from: an environment variable, or else a field of the settings object. */

/** Set under this name, which is what messages call it. */
export interface Found {
  readonly name: string;
  readonly value: unknown;
}

export type Environment = Readonly<Record<string, string | undefined>>;
type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Collects problems instead of throwing them; `text` and `flag` report what is of another type. */
export class Sources {
  readonly problems: string[] = [];
  readonly #settings: Fields;
  readonly #environment: Environment;

  constructor(settings: unknown, environment: Environment) {
    this.#environment = environment;
    this.#settings = this.#fields('kafka', settings ?? {}) ?? {};
  }

  /** An empty variable is not set; nor is a field that is null. @param path of the field: `tls.caFile` */
  find(variable: string, path: string): Found | undefined {
    const fromEnvironment = this.#environment[variable];
    if (fromEnvironment !== undefined && fromEnvironment !== '')
      return { name: variable, value: fromEnvironment };
    return this.field(path);
  }

  /** Whether a variable is there and holds nothing. */
  isEmpty(variable: string): boolean {
    return this.#environment[variable] === '';
  }

  field(path: string): Found | undefined {
    let value: unknown = this.#settings;
    for (const part of path.split('.')) value = isFields(value) ? value[part] : undefined;
    return value === undefined || value === null ? undefined : { name: `kafka.${path}`, value };
  }

  text(variable: string, path: string): { readonly name: string; readonly value: string } | undefined {
    const found = this.find(variable, path);
    if (found === undefined) return undefined;
    const { name, value } = found;
    if (typeof value === 'string' && value !== '') return { name, value };
    this.problems.push(`${name} must be a text that is not empty`);
    return undefined;
  }

  flag(variable: string, path: string): { readonly name: string; readonly value: boolean } | undefined {
    const found = this.find(variable, path);
    if (found === undefined) return undefined;
    const { name, value } = found;
    if (value === true || value === 'true') return { name, value: true };
    if (value === false || value === 'false') return { name, value: false };
    this.problems.push(`${name} must be true or false`);
    return undefined;
  }

  /** Report fields that have no meaning: a setting that is misspelt must not be passed over. */
  expect(path: string, known: readonly string[]): void {
    const value = path === '' ? this.#settings : this.field(path)?.value;
    const name = path === '' ? 'kafka' : `kafka.${path}`;
    const fields = value === undefined || typeof value === 'boolean' ? {} : (this.#fields(name, value) ?? {});
    for (const field of Object.keys(fields))
      if (!known.includes(field))
        this.problems.push(`${name}.${field} is no setting; ${name} has ${known.join(', ')}`);
  }

  #fields(name: string, value: unknown): Fields | undefined {
    if (isFields(value)) return value;
    this.problems.push(`${name} must be an object`);
    return undefined;
  }
}
