class ModelCacheDashboard {
  constructor(baseUrl = 'http://localhost:8000') {
    this.baseUrl = baseUrl;
    this.updateInterval = null;
  }
  
  async getCacheInfo() {
    try {
      const response = await fetch(`${this.baseUrl}/models/cache/info`);
      return await response.json();
    } catch (error) {
      return { error: error.message };
    }
  }
  
  renderCacheDashboard(containerId) {
    const container = document.getElementById(containerId);
    
    container.innerHTML = `
      <div class="model-cache-dashboard">
        <div class="dashboard-header">
          <h2>Model Cache Dashboard</h2>
          <div class="controls">
            <button id="refresh-btn" class="btn-primary" onclick="cacheBoard.refreshData()">
              🔄 Refresh
            </button>
            <button id="auto-refresh-btn" class="btn-secondary" onclick="cacheBoard.toggleAutoRefresh()">
              ⏱️ Auto Refresh
            </button>
            <button id="export-btn" class="btn-secondary" onclick="cacheBoard.exportData()">
              📊 Export
            </button>
          </div>
        </div>
        
        <div id="cache-overview" class="cache-overview"></div>
        <div id="model-list" class="model-list"></div>
        <div id="cache-analysis" class="cache-analysis"></div>
      </div>
    `;
    
    this.loadCacheData();
  }
  
  async loadCacheData() {
    const data = await this.getCacheInfo();
    
    if (data.error) {
      this.renderError(data.error);
    } else {
      this.renderCacheOverview(data);
      this.renderModelList(data);
      this.renderCacheAnalysis(data);
    }
  }
  
  renderCacheOverview(data) {
    const container = document.getElementById('cache-overview');
    const totalModels = data.total_models || 0;
    const totalSizeMB = data.total_size_mb || 0;
    const cacheDir = data.cache_directory || 'Unknown';
    
    const sizeGB = totalSizeMB / 1024;
    const avgSizeMB = totalModels > 0 ? totalSizeMB / totalModels : 0;
    
    container.innerHTML = `
      <div class="overview-card">
        <h3>Cache Overview</h3>
        <div class="overview-stats">
          <div class="stat-item">
            <span class="stat-value">${totalModels}</span>
            <span class="stat-label">Total Models</span>
          </div>
          <div class="stat-item">
            <span class="stat-value">${totalSizeMB.toFixed(1)}</span>
            <span class="stat-label">Size (MB)</span>
          </div>
          <div class="stat-item">
            <span class="stat-value">${sizeGB.toFixed(2)}</span>
            <span class="stat-label">Size (GB)</span>
          </div>
          <div class="stat-item">
            <span class="stat-value">${avgSizeMB.toFixed(1)}</span>
            <span class="stat-label">Avg Size (MB)</span>
          </div>
        </div>
        
        <div class="cache-location">
          <strong>Cache Directory:</strong> <code>${cacheDir}</code>
        </div>
      </div>
    `;
  }
  
  renderModelList(data) {
    const container = document.getElementById('model-list');
    const models = data.models || [];
    
    if (models.length === 0) {
      container.innerHTML = `
        <div class="model-list-card">
          <h3>Cached Models</h3>
          <div class="empty-state">
            <p>No models currently cached</p>
            <p>Download models to see them appear here</p>
          </div>
        </div>
      `;
      return;
    }
    
    const modelItems = models.map((model, index) => `
      <div class="model-item">
        <div class="model-index">${index + 1}</div>
        <div class="model-name">${model}</div>
        <div class="model-actions">
          <button class="btn-small" onclick="cacheBoard.viewModelDetails('${model}')">
            ℹ️ Info
          </button>
          <button class="btn-small btn-danger" onclick="cacheBoard.removeModel('${model}')">
            🗑️ Remove
          </button>
        </div>
      </div>
    `).join('');
    
    container.innerHTML = `
      <div class="model-list-card">
        <h3>Cached Models (${models.length})</h3>
        <div class="model-items">
          ${modelItems}
        </div>
      </div>
    `;
  }
  
  renderCacheAnalysis(data) {
    const container = document.getElementById('cache-analysis');
    const totalModels = data.total_models || 0;
    const totalSizeMB = data.total_size_mb || 0;
    
    const analysis = this.analyzeCacheData(data);
    
    let statusColor = '#22c55e'; // green
    let statusIcon = '✅';
    
    if (totalModels === 0) {
      statusColor = '#6b7280'; // gray
      statusIcon = 'ℹ️';
    } else if (totalSizeMB > 5000) {
      statusColor = '#f59e0b'; // orange
      statusIcon = '⚠️';
    } else if (totalSizeMB > 10000) {
      statusColor = '#ef4444'; // red
      statusIcon = '🚨';
    }
    
    container.innerHTML = `
      <div class="analysis-card">
        <h3>Cache Analysis</h3>
        <div class="analysis-status" style="color: ${statusColor}">
          <span class="status-icon">${statusIcon}</span>
          <span class="status-text">${analysis.status}</span>
        </div>
        
        <div class="analysis-metrics">
          <div class="metric-item">
            <span class="metric-label">Cache Health:</span>
            <span class="metric-value">${analysis.health}</span>
          </div>
          <div class="metric-item">
            <span class="metric-label">Storage Level:</span>
            <span class="metric-value">${analysis.storageLevel}</span>
          </div>
          <div class="metric-item">
            <span class="metric-label">Utilization:</span>
            <span class="metric-value">${analysis.utilization}</span>
          </div>
        </div>
        
        ${analysis.recommendations.length > 0 ? `
          <div class="recommendations">
            <h4>Recommendations</h4>
            <ul>
              ${analysis.recommendations.map(rec => `<li>${rec}</li>`).join('')}
            </ul>
          </div>
        ` : ''}
      </div>
    `;
  }
  
  analyzeCacheData(data) {
    const totalModels = data.total_models || 0;
    const totalSizeMB = data.total_size_mb || 0;
    const avgSizeMB = totalModels > 0 ? totalSizeMB / totalModels : 0;
    
    const analysis = {
      status: 'Unknown',
      health: 'Unknown',
      storageLevel: 'Unknown',
      utilization: 'Unknown',
      recommendations: []
    };
    
    // Determine status
    if (totalModels === 0) {
      analysis.status = 'Empty Cache';
      analysis.health = 'Idle';
      analysis.utilization = 'None';
    } else if (totalModels <= 5) {
      analysis.status = 'Light Usage';
      analysis.health = 'Good';
      analysis.utilization = 'Low';
    } else if (totalModels <= 15) {
      analysis.status = 'Moderate Usage';
      analysis.health = 'Good';
      analysis.utilization = 'Moderate';
    } else {
      analysis.status = 'Heavy Usage';
      analysis.health = 'Monitor';
      analysis.utilization = 'High';
    }
    
    // Determine storage level
    if (totalSizeMB < 500) {
      analysis.storageLevel = 'Low';
    } else if (totalSizeMB < 2000) {
      analysis.storageLevel = 'Moderate';
    } else if (totalSizeMB < 5000) {
      analysis.storageLevel = 'High';
    } else {
      analysis.storageLevel = 'Very High';
      analysis.health = 'Warning';
    }
    
    // Generate recommendations
    if (totalModels === 0) {
      analysis.recommendations.push('Consider downloading commonly used models for better performance');
    }
    
    if (totalModels > 20) {
      analysis.recommendations.push('Large number of cached models - consider cleanup if needed');
    }
    
    if (totalSizeMB > 5000) {
      analysis.recommendations.push('High storage usage - monitor available disk space');
    }
    
    if (avgSizeMB > 1000) {
      analysis.recommendations.push('Large average model size - consider model optimization');
    }
    
    if (analysis.recommendations.length === 0) {
      analysis.recommendations.push('Cache is operating normally');
    }
    
    return analysis;
  }
  
  renderError(error) {
    const container = document.getElementById('cache-overview');
    container.innerHTML = `
      <div class="error-card">
        <h3>Error Loading Cache Information</h3>
        <p>${error}</p>
        <button onclick="cacheBoard.loadCacheData()" class="btn-primary">Retry</button>
      </div>
    `;
  }
  
  async refreshData() {
    const button = document.getElementById('refresh-btn');
    button.disabled = true;
    button.textContent = '🔄 Refreshing...';
    
    await this.loadCacheData();
    
    button.disabled = false;
    button.textContent = '🔄 Refresh';
  }
  
  toggleAutoRefresh() {
    const button = document.getElementById('auto-refresh-btn');
    
    if (this.updateInterval) {
      clearInterval(this.updateInterval);
      this.updateInterval = null;
      button.textContent = '⏱️ Auto Refresh';
      button.classList.remove('active');
    } else {
      this.updateInterval = setInterval(() => {
        this.loadCacheData();
      }, 30000); // Refresh every 30 seconds
      button.textContent = '⏱️ Stop Auto';
      button.classList.add('active');
    }
  }
  
  async exportData() {
    const data = await this.getCacheInfo();
    
    if (data.error) {
      alert(`Export failed: ${data.error}`);
      return;
    }
    
    const exportData = {
      exported_at: new Date().toISOString(),
      cache_info: data,
      analysis: this.analyzeCacheData(data)
    };
    
    const blob = new Blob([JSON.stringify(exportData, null, 2)], {
      type: 'application/json'
    });
    
    const url = URL.createObjectURL(blob);
    const a = document.createElement('a');
    a.href = url;
    a.download = `model_cache_export_${new Date().toISOString().slice(0,10)}.json`;
    document.body.appendChild(a);
    a.click();
    document.body.removeChild(a);
    URL.revokeObjectURL(url);
  }
  
  async viewModelDetails(modelName) {
    try {
      const response = await fetch(`${this.baseUrl}/models/download/${modelName}/info`);
      const details = await response.json();
      
      alert(`Model: ${modelName}\n\nDetails:\n${JSON.stringify(details, null, 2)}`);
    } catch (error) {
      alert(`Could not load details for ${modelName}: ${error.message}`);
    }
  }
  
  async removeModel(modelName) {
    const confirm = window.confirm(
      `Remove model "${modelName}" from cache?\n\n` +
      'This action cannot be undone and the model will need to be downloaded again.'
    );
    
    if (!confirm) return;
    
    try {
      const response = await fetch(`${this.baseUrl}/models/download/${modelName}`, {
        method: 'DELETE'
      });
      
      if (response.ok) {
        alert(`Model "${modelName}" removed successfully`);
        this.loadCacheData(); // Refresh the data
      } else {
        const error = await response.json();
        alert(`Failed to remove model: ${error.detail || 'Unknown error'}`);
      }
    } catch (error) {
      alert(`Error removing model: ${error.message}`);
    }
  }
}

// Global instance
const cacheBoard = new ModelCacheDashboard();

// Initialize dashboard
// cacheBoard.renderCacheDashboard('model-cache-container');
