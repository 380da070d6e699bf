// What oidc-provider keeps. Its own store in memory drops what is old once there are 1000 entries, and cannot be told to forget.

/** Models whose entries end with the grant they belong to. */
const OF_GRANTS = ['AccessToken', 'AuthorizationCode', 'DeviceCode', 'RefreshToken'];

const now = () => Math.floor(Date.now() / 1000);

export class Store {
  constructor() {
    /** Name of the model → id → payload. */
    this.models = new Map();
  }

  /** The store for one model, as oidc-provider wants it. The library itself looks at `exp`. */
  adapter(name) {
    const model = this.model(name);
    const findBy = (member, value) => [...model.values()].find(payload => payload[member] === value);
    return {
      upsert: async (id, payload) => void model.set(id, payload),
      find: async id => model.get(id),
      findByUid: async uid => findBy('uid', uid),
      findByUserCode: async userCode => findBy('userCode', userCode),
      destroy: async id => void model.delete(id),
      consume: async id => {
        model.get(id).consumed = now();
      },
      revokeByGrantId: async grantId => {
        if (!OF_GRANTS.includes(name)) return;
        for (const [id, payload] of model) if (payload.grantId === grantId) model.delete(id);
      },
    };
  }

  /** What these models know is unknown from now on. */
  forget(...names) {
    for (const name of names) this.model(name).clear();
  }

  /** What this model knows is past its end from now on. */
  expire(name) {
    for (const payload of this.model(name).values()) payload.exp = now() - 1;
  }

  model(name) {
    if (!this.models.has(name)) this.models.set(name, new Map());
    return this.models.get(name);
  }
}
