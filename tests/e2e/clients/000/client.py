import requests
import json
from typing import Dict, List
import os
from datetime import datetime

class ModelCacheMonitor:
    def __init__(self, base_url="http://localhost:8000"):
        self.base_url = base_url
    
    def get_cache_info(self) -> Dict:
        """Get model cache information"""
        try:
            response = requests.get(f"{self.base_url}/models/cache/info")
            response.raise_for_status()
            return response.json()
        except requests.exceptions.RequestException as e:
            return {"error": str(e)}
    
    def print_cache_summary(self, cache_data: Dict):
        """Print formatted cache summary"""
        if "error" in cache_data:
            print(f"❌ Error: {cache_data['error']}")
            return
        
        cache_dir = cache_data.get("cache_directory", "Unknown")
        total_models = cache_data.get("total_models", 0)
        total_size_mb = cache_data.get("total_size_mb", 0)
        models = cache_data.get("models", [])
        
        print("="*60)
        print("MODEL CACHE INFORMATION")
        print("="*60)
        print(f"Cache Directory: {cache_dir}")
        print(f"Total Models: {total_models}")
        print(f"Total Size: {total_size_mb:.1f} MB")
        
        if total_size_mb > 1024:
            print(f"             {total_size_mb/1024:.1f} GB")
        
        print(f"\nCached Models:")
        if models:
            for i, model in enumerate(models, 1):
                print(f"  {i:2d}. {model}")
        else:
            print("  No models currently cached")
        
        print("="*60)
    
    def analyze_cache_usage(self) -> Dict:
        """Analyze cache usage and provide insights"""
        cache_data = self.get_cache_info()
        
        if "error" in cache_data:
            return cache_data
        
        analysis = {
            "cache_status": "empty" if cache_data["total_models"] == 0 else "populated",
            "storage_usage": cache_data["total_size_mb"],
            "model_count": cache_data["total_models"],
            "average_model_size_mb": 0,
            "recommendations": []
        }
        
        # Calculate average model size
        if analysis["model_count"] > 0:
            analysis["average_model_size_mb"] = analysis["storage_usage"] / analysis["model_count"]
        
        # Generate recommendations
        if analysis["model_count"] == 0:
            analysis["recommendations"].append("ℹ️ No models cached - consider downloading commonly used models")
        elif analysis["model_count"] > 10:
            analysis["recommendations"].append("📦 Many models cached - consider cleanup if storage is limited")
        
        if analysis["storage_usage"] > 5000:  # > 5GB
            analysis["recommendations"].append("💾 High storage usage - monitor disk space")
        elif analysis["storage_usage"] > 2000:  # > 2GB
            analysis["recommendations"].append("📊 Moderate storage usage - regular monitoring recommended")
        
        if analysis["average_model_size_mb"] > 500:
            analysis["recommendations"].append("🔍 Large average model size - consider compression or optimization")
        
        return analysis
    
    def get_detailed_model_info(self) -> List[Dict]:
        """Get detailed information about cached models"""
        cache_data = self.get_cache_info()
        
        if "error" in cache_data:
            return [{"error": cache_data["error"]}]
        
        cache_dir = cache_data.get("cache_directory", "")
        models = cache_data.get("models", [])
        
        detailed_info = []
        
        for model in models:
            model_info = {
                "name": model,
                "cached": True,
                "cache_path": os.path.join(cache_dir, model) if cache_dir else "Unknown"
            }
            
            # Try to get additional file information (this would require file system access)
            # In a real implementation, you might call additional endpoints or check file stats
            try:
                # This is a placeholder for additional model information
                # In practice, you might integrate with the model info endpoint
                additional_info_response = requests.get(
                    f"{self.base_url}/models/download/{model}/info",
                    timeout=5
                )
                if additional_info_response.status_code == 200:
                    additional_data = additional_info_response.json()
                    model_info.update({
                        "version": additional_data.get("version", "Unknown"),
                        "size_mb": additional_data.get("size_mb"),
                        "status": additional_data.get("status")
                    })
            except:
                # Ignore errors when trying to get additional info
                pass
            
            detailed_info.append(model_info)
        
        return detailed_info
    
    def monitor_cache_changes(self, interval_seconds=30, duration_minutes=60):
        """Monitor cache changes over time"""
        print(f"📊 Monitoring model cache for {duration_minutes} minutes...")
        print("Time      | Models | Size (MB) | Changes")
        print("-" * 45)
        
        start_time = datetime.now()
        end_time = start_time.timestamp() + (duration_minutes * 60)
        
        previous_models = set()
        previous_size = 0
        
        while datetime.now().timestamp() < end_time:
            cache_data = self.get_cache_info()
            
            if "error" not in cache_data:
                current_models = set(cache_data.get("models", []))
                current_size = cache_data.get("total_size_mb", 0)
                
                # Detect changes
                added_models = current_models - previous_models
                removed_models = previous_models - current_models
                size_change = current_size - previous_size
                
                changes = []
                if added_models:
                    changes.append(f"+{len(added_models)} models")
                if removed_models:
                    changes.append(f"-{len(removed_models)} models")
                if abs(size_change) > 0.1:
                    sign = "+" if size_change > 0 else ""
                    changes.append(f"{sign}{size_change:.1f} MB")
                
                change_text = ", ".join(changes) if changes else "No changes"
                
                timestamp = datetime.now().strftime("%H:%M:%S")
                model_count = len(current_models)
                
                print(f"{timestamp} | {model_count:6d} | {current_size:9.1f} | {change_text}")
                
                previous_models = current_models
                previous_size = current_size
            
            time.sleep(interval_seconds)
        
        print(f"\n📊 Monitoring completed")
    
    def export_cache_report(self, filename=None) -> str:
        """Export detailed cache report"""
        if not filename:
            timestamp = datetime.now().strftime("%Y%m%d_%H%M%S")
            filename = f"model_cache_report_{timestamp}.json"
        
        cache_data = self.get_cache_info()
        detailed_models = self.get_detailed_model_info()
        analysis = self.analyze_cache_usage()
        
        report = {
            "report_generated": datetime.now().isoformat(),
            "cache_info": cache_data,
            "detailed_models": detailed_models,
            "analysis": analysis
        }
        
        try:
            with open(filename, 'w') as f:
                json.dump(report, f, indent=2, default=str)
            
            print(f"✅ Model cache report exported to {filename}")
            return filename
        except Exception as e:
            print(f"❌ Export failed: {e}")
            return ""

# Usage Examples
monitor = ModelCacheMonitor()

# Get and display basic cache information
cache_info = monitor.get_cache_info()
monitor.print_cache_summary(cache_info)

# Analyze cache usage
analysis = monitor.analyze_cache_usage()
print(f"\nCache Analysis:")
print(f"Status: {analysis.get('cache_status', 'unknown')}")
print(f"Model Count: {analysis.get('model_count', 0)}")
print(f"Storage Usage: {analysis.get('storage_usage', 0):.1f} MB")
print(f"Average Model Size: {analysis.get('average_model_size_mb', 0):.1f} MB")

if analysis.get('recommendations'):
    print(f"\nRecommendations:")
    for rec in analysis['recommendations']:
        print(f"  {rec}")

# Get detailed model information
detailed_info = monitor.get_detailed_model_info()
print(f"\nDetailed Model Information:")
for model in detailed_info:
    if "error" not in model:
        print(f"  - {model['name']}: {model.get('cache_path', 'Unknown path')}")

# Export cache report
report_file = monitor.export_cache_report()
print(f"Report saved to: {report_file}")

# Monitor cache changes (uncomment to run)
# monitor.monitor_cache_changes(interval_seconds=30, duration_minutes=5)
