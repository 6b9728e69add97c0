import psutil
import time
from collections import defaultdict
from datetime import datetime, timedelta

class ModelPerformanceMonitor:
    def __init__(self, model_manager):
        self.model_manager = model_manager
        self.metrics_history = defaultdict(list)
        self.collection_active = False

    def start_metrics_collection(self, interval=60):
        """Start collecting model performance metrics"""
        self.collection_active = True

        while self.collection_active:
            try:
                # Collect system metrics
                metrics = {
                    'timestamp': datetime.now().isoformat(),
                    'system': {
                        'cpu_percent': psutil.cpu_percent(),
                        'memory_percent': psutil.virtual_memory().percent,
                        'available_memory_gb': psutil.virtual_memory().available / (1024**3),
                        'disk_usage_percent': psutil.disk_usage('/').percent
                    },
                    'models': {}
                }

                # Collect model-specific metrics
                status = self.model_manager.get_model_status(detailed=True)
                if status:
                    for model_id, model_info in status.get('available_models', {}).items():
                        if model_info.get('loaded', False):
                            metrics['models'][model_id] = {
                                'memory_usage_mb': model_info.get('memory_usage_mb', 0),
                                'total_requests': model_info.get('total_requests', 0),
                                'success_rate': model_info.get('success_rate', 0.0),
                                'uptime_hours': model_info.get('uptime_hours', 0)
                            }

                # Store metrics
                self.metrics_history['metrics'].append(metrics)

                # Keep only last 24 hours of data
                cutoff_time = datetime.now() - timedelta(hours=24)
                self.metrics_history['metrics'] = [
                    m for m in self.metrics_history['metrics']
                    if datetime.fromisoformat(m['timestamp']) > cutoff_time
                ]

                time.sleep(interval)

            except Exception as e:
                print(f"Metrics collection error: {e}")
                time.sleep(interval)

    def get_performance_report(self, hours=24):
        """Generate performance report for specified period"""
        cutoff_time = datetime.now() - timedelta(hours=hours)

        relevant_metrics = [
            m for m in self.metrics_history.get('metrics', [])
            if datetime.fromisoformat(m['timestamp']) > cutoff_time
        ]

        if not relevant_metrics:
            return "No metrics data available for specified period"

        report = f"📊 Model Performance Report (Last {hours} hours)\n"
        report += "=" * 50 + "\n\n"

        # System performance summary
        cpu_usage = [m['system']['cpu_percent'] for m in relevant_metrics]
        memory_usage = [m['system']['memory_percent'] for m in relevant_metrics]

        report += f"System Performance:\n"
        report += f"  Average CPU Usage: {sum(cpu_usage)/len(cpu_usage):.1f}%\n"
        report += f"  Peak CPU Usage: {max(cpu_usage):.1f}%\n"
        report += f"  Average Memory Usage: {sum(memory_usage)/len(memory_usage):.1f}%\n"
        report += f"  Peak Memory Usage: {max(memory_usage):.1f}%\n\n"

        # Model performance summary
        model_ids = set()
        for metrics in relevant_metrics:
            model_ids.update(metrics['models'].keys())

        for model_id in model_ids:
            model_metrics = [
                m['models'][model_id] for m in relevant_metrics
                if model_id in m['models']
            ]

            if model_metrics:
                report += f"Model {model_id}:\n"

                memory_usage = [m['memory_usage_mb'] for m in model_metrics]
                report += f"  Memory Usage: {sum(memory_usage)/len(memory_usage):.0f}MB (avg)\n"

                success_rates = [m['success_rate'] for m in model_metrics]
                report += f"  Success Rate: {sum(success_rates)/len(success_rates)*100:.1f}% (avg)\n"

                total_requests = [m['total_requests'] for m in model_metrics]
                requests_growth = total_requests[-1] - total_requests[0] if len(total_requests) > 1 else 0
                report += f"  Request Growth: {requests_growth}\n\n"

        return report

# Usage example
monitor = ModelPerformanceMonitor(model_manager)
monitor.start_metrics_collection()

# Get performance report
print(monitor.get_performance_report(hours=24))
