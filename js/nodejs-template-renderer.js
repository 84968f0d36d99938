'use strict';

const { TemplateRenderer } = require('./interfaces');
const { native } = require('./native');
const { inCallersRealm } = require('./realm');

class NodeJsTemplateRenderer extends TemplateRenderer {
  #native = new native.NodeJsTemplateRenderer();

  render(dependencies) {
    return inCallersRealm(() => this.#native.render(JSON.stringify(dependencies ?? null)));
  }
}

module.exports = NodeJsTemplateRenderer;
