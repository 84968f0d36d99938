'use strict';

/** The bucket's files. */
class Bucket {
  #client;
  #commands;
  #Upload;

  /**
   * @param {import('@aws-sdk/client-s3').S3Client} client
   * @param {string} name
   * @param {{ commands: object, Upload: Function }} modules
   */
  constructor(client, name, { commands, Upload }) {
    this.#client = client;
    this.name = name;
    this.#commands = commands;
    this.#Upload = Upload;
  }

  locationOf(folder) {
    return `s3://${this.name}/${folder}`;
  }

  async upload(Key, text) {
    const params = { Bucket: this.name, Key, Body: Buffer.from(text) };
    await new this.#Upload({ client: this.#client, params }).done();
  }

  /** @returns {Promise<{ key: string, modified: Date }[]>} at most 1,000, which is one page */
  async list(folder) {
    const { Contents = [] } = await this.#client.send(
      new this.#commands.ListObjectsV2Command({ Bucket: this.name, Prefix: folder }),
    );
    return Contents.map(({ Key, LastModified }) => ({ key: Key, modified: LastModified }));
  }

  async deleteFolder(folder) {
    for (;;) {
      const files = await this.list(folder);
      if (files.length === 0) return;
      const { Errors = [] } = await this.#client.send(
        new this.#commands.DeleteObjectsCommand({
          Bucket: this.name,
          Delete: { Objects: files.map(({ key }) => ({ Key: key })), Quiet: true },
        }),
      );
      if (Errors.length > 0) {
        throw Object.assign(new Error(Errors[0].Message), { name: Errors[0].Code });
      }
    }
  }

  destroy() {
    this.#client.destroy();
  }
}

module.exports = { Bucket };
